"""The public face against real servers: the jobs' verbs as methods, and what they return."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

import labelmill
from labelmill import errors
from labelmill.domain.codecs.png.codec import encode_png
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.records import aliases, models
from labelmill.store.schema.tables import EVALUATIONS, LABELS
from tests.helpers.image_folders import write_bad_files, write_image_folder
from tests.helpers.small_models import small_artifact


@pytest.fixture
def mill(spark: SparkSession, settings: Settings) -> labelmill.Connection:
    """A connection that uses the tests' session."""
    return labelmill.connect(settings, spark=spark, progress=False)


@pytest.fixture
def published(mill: labelmill.Connection, client: RowClient, tmp_path: Path) -> list[int]:
    """40 images as ``c``; versions 1 and 2 of model ``m``, 2 in production."""
    mill.ingest(write_image_folder(tmp_path / "folder", images=40, classes="abc"), "c")
    for version in (1, 2):
        models.publish(client, "m", version, small_artifact(version), "", None)
    aliases.move(client, "m", "production", 2)
    return [1, 2]


def test_ingest_and_ask(mill: labelmill.Connection, tmp_path: Path) -> None:
    folder = write_image_folder(tmp_path / "folder", images=12, classes="ab")
    bad = write_bad_files(folder)
    look = mill.ingest(folder, collection="pets", dry_run=True)
    assert isinstance(look, labelmill.IngestDryRun)
    assert (look.would_take, look.quarantined) == (12, len(bad))
    assert mill.table("images").count() == 0
    before = datetime.now(timezone.utc)

    taken = mill.ingest(folder, collection="pets")
    assert isinstance(taken, labelmill.IngestResult)
    assert (taken.files, taken.new, taken.annotations) == (12 + len(bad), 12, 12)
    assert sum(taken.quarantined_by_reason.values()) == taken.quarantined == len(bad)
    assert taken.collection == "pets"
    assert "12</b>" in taken._repr_html_()
    assert mill.ingest(str(folder), "pets").already_there == 12

    query = "select count(*) from truth where class = :class and collection = :collection"
    assert mill.sql(query, {"class": "a"}, collection="pets").collect()[0][0] == 6
    assert mill.sql(query, {"class": "a' or 'a' = 'a"}, collection="pets").collect()[0][0] == 0
    assert mill.sql("select :n + 1", n=41).collect()[0][0] == 42
    assert mill.sql("select count(*) from images where ingested_at > :since", since=before).collect()[
        0
    ][0] == 12  # fmt: skip
    assert mill.table("images").where("collection = 'pets'").count() == 12
    assert mill.table("truth").columns[:2] == ["collection", "image_id"]


def test_a_correction_shows_in_the_next_slice(mill: labelmill.Connection, tmp_path: Path) -> None:
    mill.ingest(write_image_folder(tmp_path / "folder", images=12, classes="ab"), "pets")
    before = mill.freeze(name="before", collection="pets")
    query = "select image_id from truth where class = 'a' order by image_id limit 1"
    image = str(mill.sql(query).collect()[0][0])
    entered = mill.annotate("pets", {image[:10]: "b"}, by="ada", why="by eye")
    assert (entered.new, entered.refused) == (1, 0)
    counted = mill.sql("select class, count(*) from truth group by class order by class").collect()
    assert [tuple(row) for row in counted] == [("a", 5), ("b", 7)]
    after = mill.freeze(name="after", collection="pets")
    assert after.digest != before.digest
    assert sum(split.get("b", 0) for split in after.training_set.manifest.histogram.values()) == 7
    said = mill.sql("select source, class, why from annotation_log").collect()
    assert [tuple(row) for row in said] == [("person/ada", "b", "by eye")]
    mill.annotate("pets", {image: "b"}, by="ada", undo=True)
    assert mill.freeze(name="again", collection="pets").digest == before.digest


def test_questions_that_are_refused(mill: labelmill.Connection, settings: Settings) -> None:
    with pytest.raises(errors.QueryRefused):
        mill.sql("drop table images")
    with pytest.raises(errors.UnknownName, match=r"parameter.*'clas'.*mean 'class'"):
        mill.sql("select * from truth where class = :class", clas="a")
    with pytest.raises(errors.InputError, match="no value was given for :class: add class=VALUE"):
        mill.sql("select * from truth where class = :class")
    with pytest.raises(errors.UnknownName, match="Did you mean 'images'"):
        mill.table("imags")
    with pytest.raises(errors.InputError, match="older"):
        mill.table("images", snapshot="2001-01-01").count()
    with pytest.raises(errors.InputError, match="in the future; expected milliseconds"):
        mill.sql("select 1 from images", snapshot=time.time_ns() // 1000)


def test_freeze_and_open(mill: labelmill.Connection, tmp_path: Path) -> None:
    mill.ingest(write_image_folder(tmp_path / "folder", images=30, classes="abc"), "c")
    frozen = mill.freeze(name="all", collection="c", fractions=(0.5, 0.25, 0.25))
    assert (frozen.rows, frozen.classes, frozen.kind) == (30, ("a", "b", "c"), "images")
    assert sum(frozen.splits.values()) == 30
    assert "contact sheet" not in repr(frozen)
    by_name, by_digest = mill.training_set("all"), mill.training_set(frozen.digest[:10])
    assert by_name.digest == by_digest.digest == frozen.training_set.digest == frozen.digest
    assert "<img" in (by_name._repr_html_() or "")
    assert (frozen._repr_html_() or "").count("<img") > 3

    sql = "select collection, image_id, class from truth where collection = :c and class <> :not"
    some = mill.freeze(
        sql, name="some", parameters={"c": "c", "not": "b"}, snapshot=frozen.snapshot_ms,
        class_list=["c", "a"],
    )  # fmt: skip
    assert (some.rows, some.classes) == (20, ("c", "a"))
    assert some.training_set.manifest.parameters == {"c": "'c'", "not": "'b'"}
    named = mill.freeze("truth", name="named", parameters={"collection": "c"})
    assert named.rows == 30

    with pytest.raises(
        errors.MissingRow, match=r"no training set 'al'; known training sets: .*all"
    ):
        mill.training_set("al")
    with pytest.raises(errors.NoData):
        mill.freeze(name="none", collection="nothing")


def test_a_model_for_arrays_and_files(
    mill: labelmill.Connection, client: RowClient, published: list[int], tmp_path: Path
) -> None:
    model = mill.model("m")
    assert (model.name, model.version, model.classes) == ("m", 2, ("a", "b", "c"))
    assert mill.model("m@production").version == 2
    assert mill.model("m:1").version == 1
    assert "m:2 softmax" in repr(model)

    files = sorted((tmp_path / "folder").rglob("*.png"))
    written = mill.predict("m", collection="c", threshold=0.9)
    assert (written.rows, written.version, written.failed) == (40, 2, 0)
    assert written.accepted + written.review == 40
    assert sum(written.classes.values()) == 40
    assert "40</b>" in written._repr_html_()
    stored = sorted(row["probabilities"] for row in client.scan(LABELS))
    found = model.predict(files, threshold=0.9)
    assert sorted(row.tobytes() for row in found.probabilities) == stored, "the same bits"
    assert found.decisions.count("review") == written.review
    assert found[3].name == str(files[3])
    assert found[3].label == found.labels[3] == found.classes[found.probabilities[3].argmax()]
    assert found[3].probability == found.probabilities[3].max()

    arrays = [
        np.asarray(mill.training_set(frozen_all(mill)).split(s)[1]) for s in ("train", "test")
    ]
    batch = np.concatenate([array for array in arrays if len(array)])
    again = model.predict(batch)
    assert len(again) == len(batch)
    assert {row.tobytes() for row in again.probabilities} <= set(stored)
    assert model.predict(batch[0]).probabilities[0].tobytes() == again.probabilities[0].tobytes()
    assert model.predict(batch[0, :, :, 0]).labels == again.labels[:1]
    assert len(model.predict([])) == 0
    assert "<img" in model.predict(batch)._repr_html_()
    with pytest.raises(errors.InputError, match=r"\(4, 4, 1\)"):
        model.predict([batch[0], np.zeros((5, 4, 1), np.uint8)])
    with pytest.raises(errors.InputError, match="threshold of 0 to 1, received 2"):
        model.predict(batch, threshold=2)


def frozen_all(mill: labelmill.Connection) -> str:
    return mill.freeze(name="all", collection="c").digest


def test_models_that_are_not_there(mill: labelmill.Connection, published: list[int]) -> None:
    with pytest.raises(errors.UnknownName, match=r"unknown model 'mm'.*Did you mean 'm'"):
        mill.model("mm@production")
    with pytest.raises(errors.MissingRow, match="version 7; versions: 1, 2"):
        mill.model("m:7")
    with pytest.raises(errors.MissingRow, match="'challenger'"):
        mill.model("m@challenger")
    with pytest.raises(errors.MissingRow):
        mill.predict("m@challenger", collection="c")


def test_evaluate(mill: labelmill.Connection, client: RowClient, published: list[int]) -> None:
    frozen = mill.freeze(name="x", collection="c")
    result = mill.evaluate("m", training_set=frozen, split="train", max_error=0.999)
    assert [one.version for one in result.versions] == [1, 2]
    assert result.rows == frozen.splits["train"]
    stored = {row["version"]: row for row in client.scan(EVALUATIONS)}
    for version in (1, 2):
        measures = result[version].measures
        assert measures.accuracy == stored[version]["accuracy"]
        assert measures.to_dict() == json.loads(str(stored[version]["confusion"]))
        assert list(result[version].verdict.reasons) == json.loads(str(stored[version]["reasons"]))
        assert result[version].accepted == stored[version]["accepted"]
    assert result.promoted is None
    assert "Confusion matrix" in result._repr_html_()

    sql = "select i.*, t.class from images i join truth t using (collection, image_id)"
    refused = mill.evaluate("m", sql=sql, versions=[2], max_error=0.0, promote=True, alias="best")
    assert (refused.accepted, refused.promoted, refused.rows) == ((), None, 40)
    assert "not accepted" in refused._repr_html_()
    moved = mill.evaluate(
        "m", training_set="x", split="train", versions=1, max_error=1.0, promote=True, alias="best"
    )
    assert moved.promoted == moved.best.version == 1
    assert moved.serving is None
    assert mill.model("m@best").version == 1
    again = mill.evaluate(
        "m", training_set="x", split="train", max_error=1.0, promote=True, promote_if="any",
        alias="best",
    )  # fmt: skip
    assert again.serving == 1
    assert "right only here" in again[2].verdict.reasons[1]
    with pytest.raises(errors.InputError, match=r"max_error=0\.05"):
        mill.evaluate("m", training_set="x", promote=True)
    with pytest.raises(errors.InputError, match="either a query"):
        mill.evaluate("m")


@pytest.mark.train
def test_from_files_to_a_model(mill: labelmill.Connection, tmp_path: Path) -> None:
    folder, rng = tmp_path / "bars", np.random.default_rng(0)
    for number in range(120):
        side = number % 2
        pixels = rng.integers(0, 100, (4, 4, 1), dtype=np.uint8)
        pixels[:, 2 * side : 2 * side + 2] += 120
        path = folder / ("left", "right")[side] / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(pixels))
    mill.ingest(folder, collection="bars")
    frozen = mill.freeze(name="bars", collection="bars", fractions=(0.6, 0.2, 0.2))
    sweep = mill.train(
        {
            "name": "bars",
            "fixed": {"family": "softmax", "epochs": 8, "batch_size": 8, "seed": 1},
            "settings": [{"learning_rate": 0.05}, {"learning_rate": 0.05, "batch_size": 0}],
        },
        frozen,
        trial_timeout=120,
    )
    assert (sweep.model, sweep.ran, sweep.failed, sweep.training_set) == (
        "bars", 2, 1, frozen.digest,
    )  # fmt: skip
    assert sweep.best_version == sweep.trials[0].version
    assert sweep.trials[1].metric is None
    assert f"bars:{sweep.best_version}" in sweep._repr_html_()
    again = mill.train({"name": "bars", "fixed": {"family": "softmax", "epochs": 8, "batch_size": 8,
                        "seed": 1}, "settings": [{"learning_rate": 0.05},
                        {"learning_rate": 0.05, "batch_size": 0}]}, "bars")  # fmt: skip
    assert (again.ran, again.skipped) == (0, 2)

    measured = mill.evaluate("bars", training_set=frozen, max_error=0.3, promote=True)
    assert measured.promoted == sweep.best_version
    model = mill.model("bars@production")
    assert model.training_set == frozen.digest
    found = model.predict(sorted((folder / "left").glob("*.png")))
    assert found.labels.count("left") > 50
    for images, classes in frozen.training_set.numpy(16, split="test", shuffle=False):
        assert len(model.predict(images)) == len(classes)

    with pytest.raises(errors.UnknownName, match=r"'famly'.*'family'"):
        mill.train({"name": "x", "fixed": {"famly": "mlp"}, "settings": [{}]}, frozen)
    with pytest.raises(errors.InputError, match=r"'none\.yaml' cannot be read"):
        mill.train("none.yaml", frozen)
    with pytest.raises(errors.AllFailed, match="all 1 trials failed"):
        mill.train({"name": "bad", "fixed": {"family": "softmax", "batch_size": 0},
                    "settings": [{"epochs": 1}]}, frozen)  # fmt: skip


def test_closing_leaves_a_session_that_was_there(
    spark: SparkSession, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    with labelmill.connect(settings) as mill:
        assert mill.spark is spark
    with labelmill.connect(settings, spark=spark) as mill:
        assert mill.sql("select 1").collect()[0][0] == 1
    assert spark.sql("select 1").collect()[0][0] == 1, "it still runs"
    with pytest.raises(errors.InputError, match="this connection is closed"):
        mill.sql("select 1")


def test_nothing_is_printed(
    mill: labelmill.Connection, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mill.ingest(write_image_folder(tmp_path / "folder"), "c")
    mill.freeze(name="x", collection="c")
    assert capfd.readouterr().out == ""


def test_an_interrupt_leaves_a_connection_that_can_be_used(
    mill: labelmill.Connection, tmp_path: Path
) -> None:
    folder = write_image_folder(tmp_path / "folder", images=3_000)
    stop = threading.Timer(2.0, os.kill, (os.getpid(), signal.SIGINT))

    def ingest_again_and_again() -> None:
        stop.start()
        for number in range(100):
            mill.ingest(folder, f"c{number}")

    with pytest.raises(KeyboardInterrupt):
        ingest_again_and_again()
    stop.join()
    assert mill.sql("select 1").collect()[0][0] == 1
    assert mill.spark.sparkContext.statusTracker().getActiveJobsIds() == []
    taken = mill.ingest(folder, "c0")
    assert taken.new + taken.already_there == 3_000
