"""The labelling stream on real Kafka, Kudu and Spark, in this process."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from labelmill.bus.envelope import Envelope, encode
from labelmill.bus.payload import of_array
from labelmill.errors import ArtifactError, BusError, InputError, MissingRow, UnknownTopic
from labelmill.inference.predictor import Predictor
from labelmill.live.kafka.batches import StreamBatches
from labelmill.pipelines.ingest.driver import ingest
from labelmill.pipelines.label import checkpoint, control
from labelmill.pipelines.label.driver import label_stream
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.records import aliases, models
from labelmill.store.schema.tables import ALIASES, MODEL_CHUNKS, STREAM_BATCHES
from labelmill.testing.png.files import header, png
from tests.helpers.small_models import CLASSES, small_artifact
from tests.helpers.streams import StreamFixture, drawn_images, offline, until

DECIDING = {"collection": "c", "threshold": 0.5, "pixel_cap": 64}


@pytest.fixture
def stream(settings: Settings, client: RowClient, tmp_path: Path) -> StreamFixture:
    return StreamFixture.make(settings, client, tmp_path)


def test_a_swap_while_the_stream_runs(spark: SparkSession, stream: StreamFixture) -> None:
    first, second = drawn_images(120, 1), drawn_images(130, 2)
    stream.send_images(first)

    def swap() -> None:
        until(lambda: any(row["state"] == "done" for row in stream.batches()))
        aliases.move(stream.client, "small", "production", 2)
        stream.send_images(second)

    swapper = threading.Thread(target=swap)
    swapper.start()
    report = label_stream(spark, stream.settings, stream.plan(at_least=250))
    swapper.join()

    versions = [int(str(row["version"])) for row in stream.batches()]
    assert set(versions) == {1, 2}
    assert versions == sorted(versions), "after the swap no batch carries the older version"
    assert all(row["state"] == "done" for row in stream.batches())
    images, rows = {**first, **second}, stream.labels()
    assert sorted(str(row["image_id"]) for row in rows) == sorted(images)
    pinned = {row["batch_id"]: row["version"] for row in stream.batches()}
    truth = {v: offline(stream.client, v, images) for v in (1, 2)}
    for row in rows:
        assert row["version"] == pinned[row["batch_id"]]
        expected = truth[int(str(row["version"]))][str(row["image_id"])]
        assert row["probabilities"] == expected, "the stream's labels are the offline ones, exactly"
        assert row["collection"] == "drawn"
        assert row["class"] in CLASSES
    assert report.results["labelled"] == 250
    assert [span["version"] for span in report.tables["versions"]] == [1, 2]

    sent = stream.labelled()
    assert sorted(e.header["image_id"] for e in sent) == sorted(images)
    by_id = {str(row["image_id"]): row for row in rows}
    for envelope in sent:
        row, label = by_id[envelope.header["image_id"]], envelope.header["label"]
        assert (label["class"], label["version"]) == (row["class"], row["version"])
        assert envelope.header["uri"] == envelope.header["image_id"][:4], "the header goes on"
        assert envelope.payload == images[envelope.header["image_id"]][0]


def test_bad_messages_become_dead_letters_with_reasons(
    spark: SparkSession, stream: StreamFixture
) -> None:
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
    stream.send([*bad.values(), good_raw])
    stream.send_images(images)
    report = label_stream(spark, stream.settings, stream.plan())

    assert len(stream.labels()) == len(images) + 1
    assert {e.header["error"]["reason"]: e.payload for e in stream.dead()} == bad
    assert report.results["dead_letters_by_reason"] == dict.fromkeys(sorted(bad), 1)
    error = stream.dead()[0].header["error"]
    assert error["topic"] == stream.topic
    assert error["message"]


def test_a_version_that_cannot_be_served_does_not_stop_the_stream(
    spark: SparkSession, stream: StreamFixture
) -> None:
    models.publish(stream.client, "small", 3, small_artifact(3), "digest", None)
    row = models.header_of(stream.client, "small", 3)
    assert row is not None
    stream.client.write(MODEL_CHUNKS, [{"sha256": row["sha256"], "chunk": 0}], "delete_ignore")
    stream.send_images(drawn_images(10, 1))
    label_stream(spark, stream.settings, stream.plan())
    aliases.move(stream.client, "small", "production", 3)
    stream.send_images(drawn_images(10, 2))
    report = label_stream(spark, stream.settings, stream.plan())
    assert {row["version"] for row in stream.labels()} == {1}, "it goes on with what it served"
    assert len(stream.labels()) == 20
    assert any("chunk 0" in note for note in report.notes)
    with pytest.raises(ArtifactError, match="chunk 0"):
        label_stream(spark, stream.settings, stream.plan("never-served"))


def test_a_replayed_batch_keeps_its_version(spark: SparkSession, stream: StreamFixture) -> None:
    stream.send_images(drawn_images(60))
    label_stream(spark, stream.settings, stream.plan())
    before = {str(row["image_id"]): row["probabilities"] for row in stream.labels()}
    last = max(int(str(row["batch_id"])) for row in stream.batches())
    # As after a crash between the writes and Spark's own note that the batch is done.
    for name in (str(last), f".{last}.crc"):
        (stream.folder / "q" / "commits" / name).unlink()
    aliases.move(stream.client, "small", "production", 2)
    report = label_stream(spark, stream.settings, stream.plan(at_least=1))
    assert report.results["replayed_batches"] == 1
    assert {row["version"] for row in stream.labels()} == {1}, "the alias' new version has no say"
    assert {str(row["image_id"]): row["probabilities"] for row in stream.labels()} == before


def test_a_replay_labels_as_the_batch_was_begun(spark: SparkSession, stream: StreamFixture) -> None:
    stream.send(png for png, _ in drawn_images(10).values())
    label_stream(spark, stream.settings, stream.plan(collection="first"))
    for name in ("0", ".0.crc"):
        (stream.folder / "q" / "commits" / name).unlink()
    changes: list[dict[str, object]] = [{"collection": "second"}, {"threshold": 0.25}]
    capped = stream.settings.model_copy(update={"pixel_cap": 99})
    with pytest.raises(InputError, match="run once with LABELMILL_PIXEL_CAP=64000000 --until-dr"):
        label_stream(spark, capped, stream.plan(collection="first"))
    for change in changes:
        plan = stream.plan(**{"collection": "first", **change})
        with pytest.raises(InputError, match="micro-batch 0 of stream 'q' was begun with --") as no:
            label_stream(spark, stream.settings, plan)
        assert "begin a new stream" in str(no.value)
    with pytest.raises(InputError, match="with --model 'small', received 'other'"):
        label_stream(spark, stream.settings, stream.plan(collection="first", model="other"))
    # The alias has gone: what was begun is finished with the version that was pinned.
    stream.client.write(ALIASES, [{"model": "small", "alias": "production"}], "delete_ignore")
    report = label_stream(spark, stream.settings, stream.plan(collection="first", at_least=1))
    assert (report.results["replayed_batches"], report.results["labelled"]) == (1, 10)
    assert {row["collection"] for row in stream.labels()} == {"first"}
    assert any("production" in note for note in report.notes)
    # Between two micro-batches it may change.
    stream.send(png for png, _ in drawn_images(5, 2).values())
    label_stream(spark, stream.settings, stream.plan(collection="second"))
    assert Counter(row["collection"] for row in stream.labels()) == {"first": 10, "second": 5}
    # As after a SIGTERM that met a micro-batch which Spark had planned, and which had done nothing.
    for name in ("1", ".1.crc"):
        (stream.folder / "q" / "commits" / name).unlink()
    stream.client.write(STREAM_BATCHES, [{"query": "q", "batch_id": 1}], "delete_ignore")
    label_stream(spark, stream.settings, stream.plan(collection="third", at_least=1))
    assert Counter(row["collection"] for row in stream.labels())["third"] == 5


def test_an_image_twice_in_a_micro_batch_is_labelled_once_and_the_same_way(
    spark: SparkSession, stream: StreamFixture
) -> None:
    draw = np.random.default_rng(5)
    pixels = draw.integers(0, 256, (2, 30, 16), np.uint8)
    stream.send(
        encode(of_array(
            pixels[copy, number].tobytes(), (4, 4, 1), "uint8",
            collection="c", image_id=f"{number:064x}",
        ))
        for copy in range(2)
        for number in range(30)
    )  # fmt: skip
    report = label_stream(spark, stream.settings, stream.plan(max_per_batch=1000))
    assert (report.results["labelled"], report.results["repeated"]) == (30, 30)
    assert [row["rows"] for row in stream.batches()] == [30]
    expected = Predictor(small_artifact(1)).predict([row.reshape(4, 4, 1) for row in pixels[0]])
    found = {str(row["image_id"]): row["probabilities"] for row in stream.labels()}
    assert found == {f"{n:064x}": expected[n].tobytes() for n in range(30)}, "the first message's"
    assert len(stream.labelled()) == 30
    assert {e.payload for e in stream.labelled()} == {row.tobytes() for row in pixels[0]}


def test_a_micro_batch_compiles_no_classes(spark: SparkSession, stream: StreamFixture) -> None:
    def compiled() -> int:
        metrics = spark.sparkContext._jvm.org.apache.spark.metrics.source  # type: ignore[union-attr]
        return int(metrics.CodegenMetrics.METRIC_COMPILATION_TIME().getCount())

    plan = stream.plan(max_per_batch=10, at_least=60)
    stream.send_images(drawn_images(60, 1))
    label_stream(spark, stream.settings, plan)
    before, warm = compiled(), len(stream.batches())
    stream.send_images(drawn_images(60, 2))
    label_stream(spark, stream.settings, plan)
    assert len(stream.batches()) >= warm + 6, "numbers that no query has had before"
    # Numbers and times in a query's text made two for each micro-batch, and the JVM kept them.
    assert compiled() == before
    labelled = [int(str(row["batch_id"])) for row in stream.labels()]
    assert set(labelled) == set(range(len(stream.batches())))


def test_what_cannot_start_says_so_before_it_starts(
    spark: SparkSession, stream: StreamFixture
) -> None:
    plan = stream.plan()
    with pytest.raises(UnknownTopic, match=f"Did you mean '{stream.topic}"):
        label_stream(spark, stream.settings, dataclasses.replace(plan, topic=stream.topic + "x"))
    with pytest.raises(MissingRow, match=r"production → 1; versions: 1, 2"):
        label_stream(spark, stream.settings, dataclasses.replace(plan, alias="challenger"))
    with pytest.raises(InputError, match="threshold of 0 to 1, received nan"):
        label_stream(spark, stream.settings, stream.plan(threshold=float("nan")))
    stream.send_images(drawn_images(5))
    label_stream(spark, stream.settings, plan)
    with pytest.raises(InputError, match="not its checkpoint"):
        label_stream(
            spark, stream.settings, dataclasses.replace(plan, checkpoint=plan.checkpoint + "-new")
        )
    with pytest.raises(InputError, match="is the checkpoint of stream 'q'") as caught:
        label_stream(spark, stream.settings, dataclasses.replace(plan, query="other"))
    assert caught.value.exit_code == 2
    there = (stream.folder / "prefix").as_uri()
    new = {"query": "new", "table_prefix": "mine_", "topic": "t", "model": "m", "topic_id": "1"}
    for _ in range(2):
        checkpoint.claim(spark, stream.client, there, new, DECIDING)
    for name, value in (("table_prefix", "yours_"), ("topic", "u"), ("model", "n")):
        with pytest.raises(InputError, match=rf"'{new[name]}', received '{value}': .*begin a new"):
            checkpoint.claim(spark, stream.client, there, {**new, name: value}, DECIDING)
    (stream.folder / "spark").mkdir()
    (stream.folder / "spark" / "metadata").write_text("{}")
    with pytest.raises(InputError, match="not a labelmill stream"):
        label_stream(spark, stream.settings, stream.plan("spark"))
    assert [row["batch_id"] for row in stream.batches()] == [0]


def test_a_stop_that_meets_a_batch_lets_it_finish(
    spark: SparkSession, stream: StreamFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, images = control._waiting, drawn_images(40)

    def slow_look(query: StreamingQuery) -> bool:
        # What was seen is old when it is acted on: a batch has begun in between.
        waiting, before = look(query), stream.batches()
        if waiting and not stream.labels() and all(row["state"] == "done" for row in before):
            stream.send_images(images)
            until(lambda: len(stream.batches()) > len(before))
        return waiting

    monkeypatch.setattr(control, "_waiting", slow_look)
    report = label_stream(spark, stream.settings, stream.plan(idle_seconds=0.0))
    assert report.exit_code == 0
    assert {row["state"] for row in stream.batches()} == {"done"}
    assert len(stream.labels()) == report.results["labelled"] > 0


def _topic(brokers: str, name: str, recreate: bool = False) -> None:
    admin = AdminClient({"bootstrap.servers": brokers})
    if recreate:
        admin.delete_topics([name])[name].result()
        until(lambda: name not in admin.list_topics(timeout=10).topics)
    # A topic of a name that was just deleted may be refused for a moment.
    until(lambda: _created(admin, name))


def _created(admin: AdminClient, name: str) -> bool:
    try:
        admin.create_topics([NewTopic(name, 1, 1)])[name].result()
    except KafkaException:
        return False
    return True


def test_a_topic_that_was_made_again_is_another_topic(
    spark: SparkSession, stream: StreamFixture
) -> None:
    stream.send_images(drawn_images(5))
    plan = stream.plan()
    assert label_stream(spark, stream.settings, plan).results["labelled"] == 5
    _topic(stream.settings.brokers(), stream.topic, recreate=True)
    # More messages than before, so that the offsets alone look right.
    stream.send_images(drawn_images(30, seed=9))
    with pytest.raises(BusError, match="was deleted and made again") as raised:
        label_stream(spark, stream.settings, plan)
    assert raised.value.exit_code == 5
    assert "another --query and --checkpoint" in str(raised.value)
    assert len(stream.labels()) == 5


def test_only_committed_messages_are_read_and_those_without_a_value_are_counted(
    spark: SparkSession, stream: StreamFixture, settings: Settings
) -> None:
    brokers = settings.brokers()
    images = [file for file, _ in drawn_images(15).values()]
    _topic(brokers, stream.topic, recreate=True)
    producer = Producer({"bootstrap.servers": brokers, "transactional.id": stream.topic})
    producer.init_transactions()
    for numbers, commit in (((0, 5), True), ((5, 12), False), ((12, 15), True)):
        producer.begin_transaction()
        for file in images[slice(*numbers)]:
            envelope = Envelope({"class": "a", "collection": "c"}, file)
            producer.produce(stream.topic, encode(envelope), key=b"k")
        if commit:
            producer.produce(stream.topic, None, key=b"gone")
        producer.flush()
        (producer.commit_transaction if commit else producer.abort_transaction)()

    report = label_stream(spark, settings, stream.plan())
    assert (report.results["labelled"], report.results["without_value"]) == (8, 2)
    assert (report.results["dead_letters"], stream.dead()) == (0, [])
    assert len(stream.labelled()) == 8
    ingested = ingest(spark, settings, f"kafka:{stream.topic}", "c").results
    assert (ingested["files"], ingested["skipped"]) == (8, {"message without a value": 2})
    live = StreamBatches(stream.topic, settings, ["a"])
    assert sum(len(classes) for _, classes in live.numpy(4)) == 8


def test_an_image_that_needs_too_much_memory_becomes_a_dead_letter(
    spark: SparkSession, stream: StreamFixture
) -> None:
    line = b"\0" + bytes(8 * 7999)
    blank = png(header(7999, 7999, 16, 6), line * 7999)
    images = drawn_images(20)
    stream.send([blank, blank])
    stream.send_images(images)
    assert label_stream(spark, stream.settings, stream.plan()).results["labelled"] == 20
    assert [e.header["error"]["reason"] for e in stream.dead()] == ["too_much_memory"] * 2
