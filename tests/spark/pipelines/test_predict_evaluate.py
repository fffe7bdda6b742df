"""Batch labels and evaluations, with small real ONNX models."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from labelmill.domain.codecs.png.codec import encode_png
from labelmill.domain.models.artifact import Artifact
from labelmill.domain.models.metrics import Evaluation
from labelmill.domain.splits.assign import Division
from labelmill.errors import (
    ArtifactError,
    InputError,
    MissingRow,
    NotAccepted,
    QueryRefused,
    UnknownName,
)
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.evaluate import driver as evaluating
from labelmill.pipelines.evaluate.driver import evaluate
from labelmill.pipelines.evaluate.slice_rows import Slice
from labelmill.pipelines.freeze.driver import default_sql, freeze, truth_sql
from labelmill.pipelines.ingest.driver import ingest
from labelmill.pipelines.predict.driver import predict_images
from labelmill.serving.run_page import render
from labelmill.serving.run_reader import read_run
from labelmill.settings import Settings
from labelmill.spark.report import Report
from labelmill.store.client import RowClient
from labelmill.store.records import aliases, models, texts
from labelmill.store.schema.tables import (
    COMPARISONS,
    EVALUATIONS,
    IMAGES,
    LABELS,
    MODEL_CHUNKS,
    SWEEPS,
    TRIALS,
)
from labelmill.training_sets.assembly.options import Options
from labelmill.training_sets.registry import find
from tests.helpers.image_folders import write_image_folder
from tests.helpers.small_models import linear_artifact, small_artifact

IMAGES_OF_C = "select * from images where collection = 'c'"


@pytest.fixture
def versions(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> list[int]:
    """40 images as ``c``; versions 1 and 2 of model ``m``."""
    ingest(
        spark, settings, str(write_image_folder(tmp_path / "images", images=40, classes="abc")), "c"
    )
    for version in (1, 2):
        models.publish(client, "m", version, small_artifact(version), "", None)
    return [1, 2]


def test_labels_are_what_the_model_says(
    spark: SparkSession, settings: Settings, client: RowClient, versions: list[int]
) -> None:
    aliases.move(client, "m", "production", 2)
    predict_images(spark, settings, IMAGES_OF_C, "m", dry_run=True)
    assert not list(client.scan(LABELS)), "a dry run writes nothing"
    results = predict_images(spark, settings, IMAGES_OF_C, "m", threshold=0.9).results
    assert (results["rows"], results["version"], results["failed"]) == (40, 2, 0)
    freeze(spark, settings, default_sql("c"), "x")
    frozen, predictor = find(settings, "x"), Predictor(small_artifact(2))
    labels = {row["image_id"]: row for row in client.scan(LABELS)}
    for split in ("train", "validation", "test"):
        ids, images, _ = frozen.split(split)
        for image_id, probabilities in zip(ids, predictor.predict(list(images)), strict=True):
            row = labels.pop(image_id)
            assert row["probabilities"] == probabilities.astype("<f4").tobytes(), "the same bits"
            assert row["class"] == predictor.classes[probabilities.argmax()]
            assert row["decision"] == ("accepted" if probabilities.max() >= 0.9 else "review")
            assert (row["model"], row["version"], row["query"]) == ("m", 2, "")
    assert not labels
    # As if a stream had labelled one: the batch replaces its row as a whole.
    one = next(iter(client.scan(LABELS)))
    client.write(LABELS, [{**one, "query": "q", "batch_id": 7, "class": "other"}])
    predict_images(spark, settings, IMAGES_OF_C, "m", threshold=0.9)
    again = list(client.scan(LABELS))
    assert len(again) == 40
    assert {(row["query"], row["batch_id"]) for row in again} == {("", None)}


def test_a_model_of_twenty_thousand_classes_labels(
    spark: SparkSession, settings: Settings, client: RowClient, versions: list[int]
) -> None:
    classes = tuple(f"c{n}" for n in range(20_000))
    weights = np.random.default_rng(5).normal(size=(16, len(classes))).astype(np.float32)
    artifact = linear_artifact(weights, classes)
    models.publish(client, "wide", 1, artifact, "digest", None)
    results = predict_images(spark, settings, IMAGES_OF_C, "wide", version=1).results
    assert (results["rows"], results["failed"]) == (40, 0)
    for row in client.scan(LABELS, where={"model": "wide"}):
        assert row["probabilities"] == b"", "80,000 bytes fit no cell"
        assert row["class"] in classes
        assert 0 < float(str(row["probability"])) <= 1


def test_an_image_the_model_cannot_take_stops_nothing(
    spark: SparkSession, settings: Settings, client: RowClient, versions: list[int], tmp_path: Path
) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/1.png").write_bytes(encode_png(np.zeros((7, 5, 1), np.uint8)))
    ingest(spark, settings, str(tmp_path / "odd"), "c")
    report = predict_images(spark, settings, IMAGES_OF_C, "m", version=1)
    assert (report.results["rows"], report.results["failed"]) == (41, 1)
    assert "(4, 4, 1)" in report.tables["failures"][0]["error"]
    assert len(list(client.scan(LABELS))) == 40


def test_a_model_computes_on_rows_that_spark_holds(
    spark: SparkSession,
    settings: Settings,
    versions: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Spark takes a cached partition whole, so no scan of Kudu waits for a slow model and expires."""
    held: list[bool] = []
    real = DataFrame.mapInArrow

    def watched(self: DataFrame, *how: Any) -> DataFrame:
        held.append(self.storageLevel.useMemory and self.storageLevel.useDisk)
        return real(self, *how)

    monkeypatch.setattr(DataFrame, "mapInArrow", watched)
    predict_images(spark, settings, IMAGES_OF_C, "m", version=1, dry_run=True)
    assert held == [True]
    evaluate(spark, settings, "m", Slice(sql=default_sql("c")), "1")
    assert held == [True, True]


def test_an_image_that_is_whole_again_is_measured(
    spark: SparkSession, settings: Settings, client: RowClient, versions: list[int]
) -> None:
    whole = next(iter(client.scan(IMAGES, where={"collection": "c"})))
    client.write(IMAGES, [{**whole, "pixels": b"cut off"}])
    on = Slice(sql=default_sql("c"))
    report = evaluate(spark, settings, "m", on, "1", max_error=1.0)
    assert "1 images could not be prepared" in str(report.notes)
    client.write(IMAGES, [whole])
    report = evaluate(spark, settings, "m", on, "1", max_error=1.0)
    assert (report.results["rows"], report.results["accepted_versions"]) == (40, [1])
    assert evaluate(spark, settings, "m", on, "1").results["measured"] == 0


def test_evaluation_counts_and_promotes_by_validation(
    spark: SparkSession, settings: Settings, client: RowClient, versions: list[int]
) -> None:
    client.ensure(TRIALS)
    for version, metric in ((1, 0.9), (2, 0.8)):
        client.write(TRIALS, [_trial(version, metric)])
    freeze(spark, settings, default_sql("c"), "x")
    report = evaluate(
        spark, settings, "m", Slice(training_set="x", split="train"), max_error=1.0, promote=True
    )
    assert report.results["promoted"] == {"alias": "production", "version": 1}
    assert aliases.resolve(client, "m", "production") == 1

    _, images, labels = find(settings, "x").split("train")
    for row in client.scan(EVALUATIONS):
        predictor = Predictor(small_artifact(int(str(row["version"]))))
        given = predictor.predict(list(images)).argmax(axis=1)
        assert row["rows"] == len(labels)
        assert row["accuracy"] == pytest.approx((given == labels).mean())
        matrix = np.zeros((3, 3), int)
        np.add.at(matrix, (labels, given), 1)
        found = Evaluation.from_dict(json.loads(str(row["confusion"])))
        assert found.confusion.tolist() == matrix.tolist()
        assert row["accepted"] is True

    sql = default_sql("c")
    aliases.move(client, "m", "production", 2)
    missed = evaluate(spark, settings, "m", Slice(sql=sql), "1", max_error=0.0, promote=True)
    assert missed.exit_code == NotAccepted.exit_code
    assert "stays where it is" in str(missed.error)
    assert aliases.resolve(client, "m", "production") == 2
    by_query = evaluate(spark, settings, "m", Slice(sql=sql), versions="best:1")
    assert [row["version"] for row in by_query.tables["evaluations"]] == [1]
    assert by_query.results["rows"] == 40
    measured = [row for row in client.scan(EVALUATIONS) if row["version"] == 1]
    assert len(measured) == 2, (
        "the same query with the same answer is the same row, whenever it ran"
    )
    with pytest.raises(QueryRefused, match="rand"):
        evaluate(spark, settings, "m", Slice(sql=sql + " and rand() < 2"))


@pytest.fixture
def bright(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> dict[int, int]:
    """20 images as ``b``, all of class ``a``; version → how many it has wrong."""
    for number in range(20):
        path = tmp_path / f"bright/a/{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(np.full((4, 4, 1), 10 * number + 5, np.uint8)))
    ingest(spark, settings, str(tmp_path / "bright"), "b")
    client.ensure(TRIALS)
    client.ensure(SWEEPS)
    wrong = {1: 12, 2: 13, 3: 4}
    for version, count in wrong.items():
        models.publish(client, "p", version, bright_artifact(count), "", None)
        # Each from a newer sweep than the one before, as when a new training set comes every week.
        client.write(TRIALS, [{**_trial(version, 0.5), "sweep_id": f"s{version}", "model": "p"}])
        client.write(SWEEPS, [{
            "sweep_id": f"s{version}", "name": "s", "model": "p", "training_set": "d",
            "plan": json.dumps({"objective": {"metric": "x", "goal": "maximize"}}),
            "first_version": version, "trials": 1, "state": "done",
            "created_at": datetime.now(timezone.utc),
        }])  # fmt: skip
    return wrong


def bright_artifact(wrong: int) -> Artifact:
    """Says ``b`` of the `wrong` brightest of 20 images, else ``a``; the bound is between two."""
    bound = (10 * (20 - wrong)) / 255
    weights = np.zeros((16, 2), np.float32)
    weights[:, 1] = 50 / 16
    return linear_artifact(weights, ("a", "b"), bias=(50 * bound, 0.0))


def test_what_serves_is_compared_and_a_worse_version_is_not_promoted(
    spark: SparkSession, settings: Settings, client: RowClient, bright: dict[int, int]
) -> None:
    on = Slice(sql=default_sql("b"))

    def run(versions: str, rule: str | None = None) -> Report:
        return evaluate(
            spark, settings, "p", on, versions, max_error=0.9, promote=True, promote_if=rule
        )

    first = run("1")
    assert first.results["promoted"] == {"alias": "production", "version": 1}, "nothing serves yet"
    kept = run("1,2")
    assert "promoted" not in kept.results
    assert kept.results["compared_with"] == {"alias": "production", "version": 1}
    assert kept.results["measured"] == 1, "version 1 was measured on this slice before"
    assert aliases.resolve(client, "p", "production") == 1
    assert (
        "1 more row wrong than serving version 1 (13 against 12 of 20; 0 right only here"
        in (kept.notes[1])
    )
    (compared,) = client.scan(COMPARISONS)
    assert [compared[name] for name in ("version", "serving", "only_serving_right")] == [2, 1, 1]
    (row,) = client.scan(EVALUATIONS, where={"model": "p", "version": 2})
    assert row["accepted"] is False
    assert "McNemar exact p = 1): does not meet the rule 'no-worse'" in str(row["reasons"])

    refused = run("2")
    assert refused.exit_code == NotAccepted.exit_code
    assert "and the rule 'no-worse'; alias 'production' stays where it is" in str(refused.error)
    assert refused.results["measured"] == 0, "nothing is measured twice"

    better = run("all", "better")
    assert better.results["promoted"] == {"alias": "production", "version": 3}
    assert better.results["measured"] == 1
    row_of = {r["version"]: r for r in better.tables["evaluations"]}
    assert (row_of[3]["fewer_wrong_than_serving"], row_of[3]["accepted"]) == (8, True)
    assert row_of[3]["p_value"] == pytest.approx(2 / 2**8)
    assert run("2", "any").results["promoted"]["version"] == 2
    assert aliases.resolve(client, "p", "production") == 2


def test_an_alias_that_is_moved_meanwhile_is_not_overwritten(
    spark: SparkSession,
    settings: Settings,
    client: RowClient,
    bright: dict[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on, measured = Slice(sql=default_sql("b")), evaluating.fill_report
    aliases.move(client, "p", "production", 1)

    def measured_while_somebody_promotes(*given: Any) -> None:
        measured(*given)
        aliases.move(client, "p", "production", 2)

    monkeypatch.setattr(evaluating, "fill_report", measured_while_somebody_promotes)
    report = evaluate(spark, settings, "p", on, "3", max_error=0.9, promote=True)
    assert report.exit_code == NotAccepted.exit_code
    assert "pointed to version 1 when this began, and points to version 2 now" in str(report.error)
    assert aliases.resolve(client, "p", "production") == 2


def test_a_broken_version_that_serves_needs_a_word(
    spark: SparkSession, settings: Settings, client: RowClient, bright: dict[int, int]
) -> None:
    aliases.move(client, "p", "production", 1)
    sha256 = models.load(client, "p", 1)[0]["sha256"]
    client.write(MODEL_CHUNKS, [{"sha256": sha256, "chunk": 0}], "delete_ignore")
    on = Slice(sql=default_sql("b"))
    with pytest.raises(ArtifactError, match=r"chunk 0 of 1 is missing.*--promote-if any"):
        evaluate(spark, settings, "p", on, "3", max_error=0.5, promote=True)
    report = evaluate(spark, settings, "p", on, "3", max_error=0.5, promote=True, promote_if="any")
    assert report.results["promoted"]["version"] == 3
    assert "nothing is compared with version 1" in report.notes[0]


def test_a_class_that_was_not_trained_on_is_counted_apart(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    for split, name in (("train", "a"), ("train", "b"), ("test", "a"), ("test", "c")):
        for number in range(6):
            path = tmp_path / f"unseen/{split}/{name}/{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            grey = 10 * number + ord(name) + 3 * (split == "test")
            path.write_bytes(encode_png(np.full((4, 4, 1), grey, np.uint8)))
    ingest(spark, settings, str(tmp_path / "unseen"), "unseen")
    options = Options(Division(fractions=(0.8, 0.0, 0.2)), source_splits=True)
    digest = freeze(spark, settings, truth_sql("unseen"), "unseen", options).results["digest"]
    weights = np.zeros((16, 3), np.float32)
    artifact = linear_artifact(weights, ("a", "b", "c"), bias=(1.0, 0.0, 0.0))
    models.publish(client, "u", 1, artifact, digest, None)
    report = evaluate(spark, settings, "u", Slice(training_set="unseen"), max_error=0.5)
    assert (
        "6 of 12 images have classes that it was not trained on (c); error without them 0.0000"
        in report.notes[0]
    )


def test_five_hundred_classes_are_evaluated(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    classes = tuple(f"клас {n:03d}" for n in range(500))
    for number, name in enumerate(classes):
        pixels = np.random.default_rng(number).integers(0, 256, (4, 4, 1), np.uint8)
        path = tmp_path / f"many/{name}/0.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(encode_png(pixels))
    ingest(spark, settings, str(tmp_path / "many"), "many")
    weights = np.random.default_rng(0).normal(size=(16, 500)).astype(np.float32)
    models.publish(client, "many", 1, linear_artifact(weights, classes), "", None)
    header = models.header_of(client, "many", 1)
    assert header is not None
    assert json.loads(str(header["classes"])) == list(classes)
    on = Slice(sql=default_sql("many"))
    report = evaluate(spark, settings, "many", on, max_error=1.0, promote=True)
    assert report.results["promoted"]["version"] == 1
    (row,) = texts.read(client, EVALUATIONS)
    found = Evaluation.from_dict(json.loads(str(row["confusion"])))
    assert (found.rows, len(found.classes), found.accuracy) == (500, 500, row["accuracy"])
    assert len(json.loads(str(row["per_class"]))) == 500
    page = render(read_run(spark, settings, "many", "many"))
    assert "461 others are one row and column" in page


def test_invalid_arguments(
    spark: SparkSession, settings: Settings, client: RowClient, versions: list[int]
) -> None:
    on = Slice(sql=default_sql("c"))
    client.ensure(EVALUATIONS)
    with pytest.raises(InputError, match="state the acceptable error first"):
        evaluate(spark, settings, "m", on, promote=True)
    with pytest.raises(InputError, match=r"frozen at its own snapshot; leave out snapshot"):
        evaluate(spark, settings, "m", Slice(training_set="x", snapshot_ms=1))
    with pytest.raises(InputError, match=r"split 'test' is one of a training set"):
        evaluate(spark, settings, "m", Slice(sql=on.sql, split="test"))
    with pytest.raises(InputError, match=r"none is requested: add promote=True, or --promote"):
        evaluate(spark, settings, "m", on, promote_if="better")
    with pytest.raises(InputError, match=r"alias 'best' would be moved.*--promote"):
        evaluate(spark, settings, "m", on, alias="best")
    with pytest.raises(UnknownName, match="Did you mean 'no-worse'"):
        evaluate(spark, settings, "m", on, max_error=0.1, promote=True, promote_if="not-worse")
    with pytest.raises(InputError, match="acceptable error of 0 to 1, received nan"):
        evaluate(spark, settings, "m", on, max_error=float("nan"))
    assert not list(client.scan(EVALUATIONS)), "refused before anything was measured"
    with pytest.raises(InputError, match="threshold of 0 to 1, received nan"):
        predict_images(spark, settings, IMAGES_OF_C, "m", version=1, threshold=float("nan"))
    with pytest.raises(InputError, match="best:3"):
        evaluate(spark, settings, "m", on, versions="newest")
    with pytest.raises(MissingRow, match="no version 7; versions: 1, 2"):
        evaluate(spark, settings, "m", on, versions="7")
    with pytest.raises(MissingRow, match="no alias 'production'"):
        predict_images(spark, settings, IMAGES_OF_C, "m")
    sha256 = models.load(client, "m", 1)[0]["sha256"]
    client.write(MODEL_CHUNKS, [{"sha256": sha256, "chunk": 0}], "delete_ignore")
    with pytest.raises(ArtifactError, match="chunk 0 of 1 is missing"):
        predict_images(spark, settings, IMAGES_OF_C, "m", version=1)


def _trial(version: int, metric: float) -> dict[str, object]:
    return {
        "sweep_id": "s",
        "trial_id": f"t{version}",
        "number": version,
        "setting": "{}",
        "state": "done",
        "metric": metric,
        "model": "m",
        "version": version,
        "finished_at": datetime.now(timezone.utc),
    }
