"""The labelling stream on real Kafka, Kudu and Spark, in this process."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from labelmill.bus.envelope import Envelope, encode
from labelmill.errors import ArtifactError, InputError, MissingRow, UnknownTopic
from labelmill.pipelines.label import checkpoint, control
from labelmill.pipelines.label.driver import label_stream
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.records import aliases, models
from labelmill.store.schema.tables import MODEL_CHUNKS
from tests.helpers.small_models import CLASSES, small_artifact
from tests.helpers.streams import Place, drawn_images, offline, until


@pytest.fixture
def place(settings: Settings, client: RowClient, tmp_path: Path) -> Place:
    return Place.make(settings, client, tmp_path)


def test_a_swap_while_the_stream_runs(spark: SparkSession, place: Place) -> None:
    first, second = drawn_images(120, 1), drawn_images(130, 2)
    place.send_images(first)

    def swap() -> None:
        until(lambda: any(row["state"] == "done" for row in place.batches()))
        aliases.move(place.client, "small", "production", 2)
        place.send_images(second)

    swapper = threading.Thread(target=swap)
    swapper.start()
    report = label_stream(spark, place.settings, place.plan(at_least=250))
    swapper.join()

    versions = [int(str(row["version"])) for row in place.batches()]
    assert set(versions) == {1, 2}
    assert versions == sorted(versions), "after the swap no batch carries the older version"
    assert all(row["state"] == "done" for row in place.batches())
    images, rows = {**first, **second}, place.labels()
    assert sorted(str(row["image_id"]) for row in rows) == sorted(images)
    pinned = {row["batch_id"]: row["version"] for row in place.batches()}
    truth = {v: offline(place.client, v, images) for v in (1, 2)}
    for row in rows:
        assert row["version"] == pinned[row["batch_id"]]
        expected = truth[int(str(row["version"]))][str(row["image_id"])]
        assert row["probabilities"] == expected, "the stream's labels are the offline ones, exactly"
        assert row["collection"] == "drawn"
        assert row["class"] in CLASSES
    assert report.results["labelled"] == 250
    assert [span["version"] for span in report.tables["versions"]] == [1, 2]

    sent = place.labelled()
    assert sorted(e.header["image_id"] for e in sent) == sorted(images)
    by_id = {str(row["image_id"]): row for row in rows}
    for envelope in sent:
        row, label = by_id[envelope.header["image_id"]], envelope.header["label"]
        assert (label["class"], label["version"]) == (row["class"], row["version"])
        assert envelope.header["uri"] == envelope.header["image_id"][:4], "the header goes on"
        assert envelope.payload == images[envelope.header["image_id"]][0]


def test_bad_messages_become_dead_letters_with_reasons(spark: SparkSession, place: Place) -> None:
    images = drawn_images(20)
    png, pixels = next(iter(images.values()))
    raw = {"image_id": "a" * 64, "encoding": "raw", "dtype": "uint8"}
    bad = {
        "not_an_envelope": b"hello",
        "truncated": png[:45],
        "id_mismatch": encode(Envelope({"image_id": "b" * 64}, png)),
        "no_image_id": encode(Envelope({"encoding": "raw", "shape": [4, 4, 1], "dtype": "uint8"}, b"x" * 16)),
        "bad_shape": encode(Envelope({**raw, "shape": [4, 4, 1]}, b"x" * 15)),
        "bad_collection": encode(Envelope({"collection": ""}, png)),
        "not_preparable": encode(Envelope({**raw, "shape": [5, 5, 1]}, b"x" * 25)),
    }  # fmt: skip
    good_raw = encode(Envelope({**raw, "shape": [4, 4, 1]}, pixels.tobytes()))
    place.send([*bad.values(), good_raw])
    place.send_images(images)
    report = label_stream(spark, place.settings, place.plan())

    assert len(place.labels()) == len(images) + 1
    assert {e.header["error"]["reason"]: e.payload for e in place.dead()} == bad
    assert report.results["dead_letters_by_reason"] == dict.fromkeys(sorted(bad), 1)
    error = place.dead()[0].header["error"]
    assert error["topic"] == place.topic
    assert error["message"]


def test_a_version_that_cannot_be_served_does_not_stop_the_stream(
    spark: SparkSession, place: Place
) -> None:
    models.publish(place.client, "small", 3, small_artifact(3), "digest", None)
    row = models.header_of(place.client, "small", 3)
    assert row is not None
    place.client.write(MODEL_CHUNKS, [{"sha256": row["sha256"], "chunk": 0}], "delete_ignore")
    place.send_images(drawn_images(10, 1))
    label_stream(spark, place.settings, place.plan())
    aliases.move(place.client, "small", "production", 3)
    place.send_images(drawn_images(10, 2))
    report = label_stream(spark, place.settings, place.plan())
    assert {row["version"] for row in place.labels()} == {1}, "it goes on with what it served"
    assert len(place.labels()) == 20
    assert any("chunk 0" in note for note in report.notes)
    with pytest.raises(ArtifactError, match="chunk 0"):
        label_stream(spark, place.settings, place.plan("never-served"))


def test_a_replayed_batch_keeps_its_version(spark: SparkSession, place: Place) -> None:
    place.send_images(drawn_images(60))
    label_stream(spark, place.settings, place.plan())
    before = {str(row["image_id"]): row["probabilities"] for row in place.labels()}
    last = max(int(str(row["batch_id"])) for row in place.batches())
    # As after a crash between the writes and Spark's own note that the batch is done.
    for name in (str(last), f".{last}.crc"):
        (place.folder / "q" / "commits" / name).unlink()
    aliases.move(place.client, "small", "production", 2)
    report = label_stream(spark, place.settings, place.plan(at_least=1))
    assert report.results["replayed_batches"] == 1
    assert {row["version"] for row in place.labels()} == {1}, "the alias' new version has no say"
    assert {str(row["image_id"]): row["probabilities"] for row in place.labels()} == before


def test_what_cannot_start_says_so_before_it_starts(spark: SparkSession, place: Place) -> None:
    plan = place.plan()
    with pytest.raises(UnknownTopic, match=f"Did you mean '{place.topic}"):
        label_stream(spark, place.settings, dataclasses.replace(plan, topic=place.topic + "x"))
    with pytest.raises(MissingRow, match=r"production → 1; versions: 1, 2"):
        label_stream(spark, place.settings, dataclasses.replace(plan, alias="challenger"))
    place.send_images(drawn_images(5))
    label_stream(spark, place.settings, plan)
    with pytest.raises(InputError, match="not its checkpoint"):
        label_stream(
            spark, place.settings, dataclasses.replace(plan, checkpoint=plan.checkpoint + "-new")
        )
    with pytest.raises(InputError, match="is the checkpoint of stream 'q'") as caught:
        label_stream(spark, place.settings, dataclasses.replace(plan, query="other"))
    assert caught.value.exit_code == 2
    there = (place.folder / "prefix").as_uri()
    for _ in range(2):
        checkpoint.claim(spark, place.client, there, "new", "mine_")
    with pytest.raises(InputError, match="with table prefix 'mine_', expected 'q' and 'yours_'"):
        checkpoint.claim(spark, place.client, there, "q", "yours_")
    (place.folder / "spark").mkdir()
    (place.folder / "spark" / "metadata").write_text("{}")
    with pytest.raises(InputError, match="no stream of labelmill"):
        label_stream(spark, place.settings, place.plan("spark"))
    assert [row["batch_id"] for row in place.batches()] == [0]


def test_a_stop_that_meets_a_batch_lets_it_finish(
    spark: SparkSession, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, images = control._waiting, drawn_images(40)

    def slow_look(query: StreamingQuery) -> bool:
        # What was seen is old when it is acted on: a batch has begun in between.
        waiting, before = look(query), place.batches()
        if waiting and not place.labels() and all(row["state"] == "done" for row in before):
            place.send_images(images)
            until(lambda: len(place.batches()) > len(before))
        return waiting

    monkeypatch.setattr(control, "_waiting", slow_look)
    report = label_stream(spark, place.settings, place.plan(idle_seconds=0.0))
    assert report.exit_code == 0
    assert {row["state"] for row in place.batches()} == {"done"}
    assert len(place.labels()) == report.results["labelled"] > 0
