"""Sweeps on real Spark, Kudu and TensorFlow."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from labelmill.domain.models.artifact import unpack
from labelmill.domain.models.sweep_plan import SweepPlan
from labelmill.errors import InputError, NoData, UnknownName
from labelmill.feed.training_set import TrainingSet
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.train.driver import read_plan, sweep
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.records import models
from labelmill.store.schema.tables import MODEL_CHUNKS, MODELS, SWEEPS, TRIAL_METRICS, TRIALS
from tests.helpers.sweeps import PLAN, digest, two_bars


def plan_of(folder: Path, text: str = PLAN) -> Path:
    path = folder / "plan.yaml"
    path.write_text(text)
    return path


@pytest.mark.train
def test_failing_settings_are_rows_and_the_rest_is_done(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    plan, frozen = read_plan(plan_of(tmp_path)), TrainingSet.open(two_bars(tmp_path / "sets"))
    report = sweep(spark, settings, plan, frozen)
    trials = sorted(client.scan(TRIALS), key=lambda row: int(str(row["number"])))
    assert [row["state"] for row in trials] == ["done", "failed", "done", "failed"]
    assert "diverged" in str(trials[1]["error"])
    assert "batch" in str(trials[3]["error"])
    assert report.exit_code == 0
    assert report.results["best_version"] == 1
    assert report.results["best_metric"] == 1.0, "the bars are easy to tell apart"

    _, data = models.load(client, "tiny", 1)
    _, images, truth = frozen.split("test")
    predicted = Predictor(unpack(data)).predict(images).argmax(axis=1)  # type: ignore[arg-type]
    assert (predicted == truth).all(), "the stored model is the trained one"
    assert models.versions(client, "tiny") == [1, 3], "the number of the setting is the version's"
    for row in client.scan(TRIAL_METRICS, where={"trial_id": trials[0]["trial_id"]}):
        assert row["metric"] in (
            "train_loss", "train_accuracy", "validation_loss", "validation_accuracy",
        )  # fmt: skip
        assert row["step"] in (1, 2, 3)
    assert len(list(client.scan(TRIAL_METRICS))) == 2 * 3 * 4
    assert [row["state"] for row in client.scan(SWEEPS)] == ["done"]

    before, finished = digest(client), {row["trial_id"]: row["finished_at"] for row in trials}
    again = sweep(spark, settings, plan, frozen)
    assert (again.results["ran"], again.results["skipped"]) == (0, 4)
    assert {row["trial_id"]: row["finished_at"] for row in client.scan(TRIALS)} == finished
    header, data = models.load(client, "tiny", 3)
    client.write(MODEL_CHUNKS, [{"sha256": header["sha256"], "chunk": 0}], "delete_ignore")
    retried = sweep(spark, settings, plan, frozen, retry_failed=True)
    assert (retried.results["ran"], retried.results["failed"]) == (3, 2)
    assert models.load(client, "tiny", 3)[1] == data, "a damaged version was trained again"
    assert digest(client) == before
    _goes_on_from_another_machine(spark, settings, client, plan, frozen)


def _goes_on_from_another_machine(
    spark: SparkSession,
    settings: Settings,
    client: RowClient,
    plan: SweepPlan,
    frozen: TrainingSet,
) -> None:
    (trial,) = client.scan(TRIALS, where={"number": 0})
    key = {name: trial[name] for name in ("sweep_id", "trial_id")}
    artifact = unpack(models.load(client, "tiny", 1)[1])
    other = dataclasses.replace(artifact, parameters={**artifact.parameters, "machine": 2})
    # What a run there leaves that was killed between the model's header and the trial's row.
    client.write(MODELS, [{"model": "tiny", "version": 1}], "delete_ignore")
    client.write(TRIALS, [key], "delete_ignore")
    sha256 = models.publish(client, "tiny", 1, other, frozen.digest, str(key["trial_id"]))
    went_on = sweep(spark, settings, plan, frozen)
    assert (went_on.results["ran"], went_on.results["failed"]) == (1, 2)
    assert models.load(client, "tiny", 1)[0]["sha256"] == sha256, "adopted, not refused"

    client.write(MODEL_CHUNKS, [{"sha256": sha256, "chunk": 0}], "delete_ignore")
    lost = sweep(spark, settings, plan, frozen, retry_failed=True)
    assert (lost.results["ran"], lost.results["failed"]) == (3, 3)
    (row,) = client.scan(TRIALS, where=key)
    assert "is damaged, and training gave other bytes" in str(row["error"])


@pytest.mark.train
def test_when_all_fail_the_job_fails(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    text = PLAN.replace("batch_size: 16", "batch_size: 0").replace(
        ", batch_size: 0}", ", epochs: 0}"
    )
    frozen = TrainingSet.open(two_bars(tmp_path / "sets"))
    report = sweep(spark, settings, read_plan(plan_of(tmp_path, text)), frozen)
    assert report.exit_code == 10
    assert "all 4 trials failed" in str(report.error)
    assert {row["state"] for row in client.scan(TRIALS)} == {"failed"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PLAN.replace("settings:", "setings:"), r"plan\.yaml.*Did you mean 'settings'"),
        (PLAN.replace("learning_rate: 0.05", "learnin_rate: 0.05"), "Did you mean 'learning_rate'"),
        (PLAN.replace("softmax", "sofmax"), "Did you mean 'softmax'"),
    ],
)
def test_a_slip_in_the_sweep_file_is_named(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(UnknownName, match=expected):
        read_plan(plan_of(tmp_path, text))


@pytest.mark.parametrize("text", ["a: [1", "", "- 1", "\x00"])
def test_what_is_no_sweep_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"plan\.yaml"):
        read_plan(plan_of(tmp_path, text))
    with pytest.raises(InputError, match="cannot be read"):
        read_plan(tmp_path / "none.yaml")


def test_a_split_that_the_objective_needs(
    spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    frozen = TrainingSet.open(two_bars(tmp_path / "sets"))
    del frozen.manifest.histogram["validation"]
    with pytest.raises(NoData, match="'validation'"):
        sweep(spark, settings, read_plan(plan_of(tmp_path)), frozen)


def one(**changed: object) -> SweepPlan:
    """A plan of one setting that learns the bars in three epochs."""
    setting: dict[str, object] = {"learning_rate": 0.05, "epochs": 3, "batch_size": 16, **changed}
    preparation = setting.pop("preparation", [])
    return SweepPlan.parse(
        {
            "name": "one",
            "model": "tiny",
            "fixed": {"family": "softmax", "seed": 1},
            "preparation": preparation,
            "settings": [setting],
        }
    )


@pytest.mark.train
def test_a_trial_that_diverges_keeps_the_epochs_before(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    frozen = TrainingSet.open(two_bars(tmp_path / "sets"))
    # One step an epoch: the loss grows for some epochs before it is no number.
    plan = one(learning_rate=1e8, batch_size=180, epochs=20, l2=0.01)
    assert sweep(spark, settings, plan, frozen).exit_code == 10
    (row,) = client.scan(TRIALS)
    assert (row["state"], row["metric"], row["version"]) == ("failed", None, None)
    ended = int(str(row["error"]).split("the loss of epoch ")[1].split()[0]) - 1
    assert ended >= 1
    steps = {(row["step"], row["metric"]) for row in client.scan(TRIAL_METRICS)}
    assert steps == {
        (step, f"{split}_{what}")
        for step in range(1, ended + 1)
        for split in ("train", "validation")
        for what in ("loss", "accuracy")
    }


@pytest.mark.train
def test_a_trial_that_takes_too_long_keeps_its_epochs(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    frozen = TrainingSet.open(two_bars(tmp_path / "sets"))
    report = sweep(spark, settings, one(epochs=1_000_000), frozen, trial_timeout=1.0)
    assert report.exit_code == 10
    (row,) = client.scan(TRIALS)
    ended = max(int(str(row["step"])) for row in client.scan(TRIAL_METRICS))
    assert row["error"] == f"took longer than 1 s; {ended} epochs ended"


@pytest.mark.train
def test_classes_that_are_never_trained_on_are_told(
    spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    frozen = TrainingSet.open(two_bars(tmp_path / "sets", unseen="third"))
    report = sweep(spark, settings, one(), frozen)
    assert any("never trained on: third (10 in test)" in note for note in report.notes)


@pytest.mark.train
def test_a_preparation_that_makes_all_images_alike_is_told(
    spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    frozen = TrainingSet.open(two_bars(tmp_path / "sets", alpha=True))
    report = sweep(spark, settings, one(preparation=["grey"]), frozen)
    assert "makes all 180 training images alike" in str(report.error)
    light = sweep(spark, settings, one(preparation=[{"background": 1}, "grey"]), frozen)
    assert light.results["best_metric"] == 1.0


def test_what_no_family_learns_is_refused_before_any_trial(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    frozen = TrainingSet.open(two_bars(tmp_path / "sets"))
    for kind, target in (("images", "mask"), ("images", "classes"), ("records", "class")):
        frozen.manifest = frozen.manifest.model_copy(update={"kind": kind, "target": target})
        with pytest.raises(InputError, match=f"holds {kind} with target '{target}'"):
            sweep(spark, settings, one(), frozen)
    single = TrainingSet.open(two_bars(tmp_path / "single", names=("left", "left")))
    with pytest.raises(InputError, match=r"has one class \(left\) with training images"):
        sweep(spark, settings, one(), single)
    client.ensure(SWEEPS)
    assert not list(client.scan(SWEEPS))
