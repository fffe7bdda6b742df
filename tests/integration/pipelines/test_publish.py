"""Publishing on real Kafka: a slice out of Kudu, a folder."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from pyspark.sql import SparkSession

from labelmill.bus.envelope import decode
from labelmill.bus.kafka import ensure_topic, messages, require_or_create
from labelmill.bus.payload import image_id_in, pixels_of
from labelmill.errors import InputError, NoData, QueryRefused, UnknownName, UnknownTopic
from labelmill.pipelines.publish.driver import publish_folder, publish_slice
from labelmill.pipelines.publish.order import order_key
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import IMAGES, TABLES
from tests.helpers.streams import drawn_images

SLICE = "select i.*, if(i.mean > 0.5, 'light', null) as class from images i"


@pytest.fixture
def topic(settings: Settings) -> str:
    name = f"p-{uuid.uuid4().hex[:10]}"
    ensure_topic(settings.brokers(), name, 1)
    return name


def put(client: RowClient, images: dict[str, np.ndarray]) -> None:
    for table in TABLES.values():
        client.ensure(table)
    now = datetime.now(timezone.utc)
    client.write(
        IMAGES,
        [
            {
                "collection": "drawn", "image_id": i, "uri": f"x/{i[:4]}.png", "split": None,
                "width": p.shape[1], "height": p.shape[0], "channels": 1, "dtype": "uint8",
                "pixels": p.tobytes(), "thumbnail": None, "mean": float(p.mean()) / 255, "std": 0.0,
                "ink": 0.0, "bytes": 1, "attributes": None, "ingested_at": now,
            }
            for i, p in images.items()
        ],
    )  # fmt: skip


def test_a_slice_goes_out_shuffled_and_once(
    spark: SparkSession, settings: Settings, client: RowClient, topic: str
) -> None:
    images = {i: pixels for i, (_, pixels) in drawn_images(300).items()}
    put(client, images)
    twice = f"{SLICE} union all {SLICE}"
    report = publish_slice(spark, settings, twice, topic, with_labels=True, seed=7)
    sent = list(messages(settings.brokers(), topic))
    assert report.results["messages"] == len(sent) == 300
    envelopes = [decode(value) for _, value in sent]
    ids = [image_id_in(e) for e in envelopes]
    assert sorted(ids) == sorted(images), "each image once, though the slice names it twice"
    assert [key for key, _ in sent] == [i.encode() for i in ids]
    for image_id, envelope in zip(ids, envelopes, strict=True):
        assert np.array_equal(pixels_of(envelope), images[image_id]), "exactly the stored pixels"
        light = images[image_id].mean() / 255 > 0.5
        assert envelope.header.get("class") == ("light" if light else None)
        assert envelope.header["uri"] == f"x/{image_id[:4]}.png"
    assert ids != sorted(ids)


def test_labels_stay_here_unless_asked_for(
    spark: SparkSession, settings: Settings, client: RowClient, topic: str
) -> None:
    put(client, {i: pixels for i, (_, pixels) in drawn_images(20).items()})
    publish_slice(spark, settings, SLICE, topic)
    for _, value in messages(settings.brokers(), topic):
        # No path either: its folder is the class.
        assert set(decode(value).header) == {
            "collection", "image_id", "encoding", "shape", "dtype",
        }  # fmt: skip
    with pytest.raises(UnknownName, match="needs 'class'"):
        publish_slice(spark, settings, "select * from images", topic, with_labels=True)
    with pytest.raises(UnknownName, match="needs 'pixels'"):
        publish_slice(spark, settings, "select collection, image_id from images", topic)
    with pytest.raises(NoData):
        publish_slice(spark, settings, "select * from images where width = 99", topic)
    with pytest.raises(QueryRefused):
        publish_slice(spark, settings, "select * from text.`/etc/passwd`", topic)


def test_images_above_the_topics_limit_are_recoded_or_counted(
    spark: SparkSession, settings: Settings, client: RowClient
) -> None:
    topic = f"p-{uuid.uuid4().hex[:10]}"
    admin = AdminClient({"bootstrap.servers": settings.brokers()})
    config = {"max.message.bytes": "20000"}
    admin.create_topics([NewTopic(topic, 1, 1, config=config)])[topic].result()
    flat = np.zeros((200, 200, 1), np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 1), dtype=np.uint8)
    put(client, {"a" * 64: flat, "b" * 64: noise})
    report = publish_slice(spark, settings, "select * from images", topic)
    assert report.results["messages"] == report.results["recoded_as_png"] == 1
    assert report.results["left_out_too_large"] == 1
    assert "b" * 64 in report.notes[0]
    ((_, value),) = messages(settings.brokers(), topic)
    assert image_id_in(decode(value)) == "a" * 64
    assert np.array_equal(pixels_of(decode(value)), flat)


def test_a_folder_goes_out_byte_for_byte(settings: Settings, tmp_path: Path, topic: str) -> None:
    images = drawn_images(30)
    for number, (image_id, (png, _)) in enumerate(images.items()):
        folder = tmp_path / "in" / str(number % 2)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{image_id[:8]}.png").write_bytes(png)
    (tmp_path / "in" / "0" / "again.png").write_bytes(png)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    (tmp_path / "private").write_text("secret")
    (tmp_path / "in" / "0" / "link.png").symlink_to(tmp_path / "private")
    report = publish_folder(settings, tmp_path / "in", topic, "files", with_labels=True)
    assert report.results["messages"] == 30
    assert report.notes[0].startswith("1 files were left out, each a symbolic link")
    sent: dict[str, bytes] = {}
    for _, value in messages(settings.brokers(), topic):
        envelope = decode(value)
        sent[envelope.header["image_id"]] = envelope.payload
        assert envelope.header["class"] == envelope.header["uri"].split("/")[0]
        assert envelope.header["collection"] == "files"
    assert sent == {i: png for i, (png, _) in images.items()}
    assert list(sent) == sorted(sent, key=lambda i: order_key(0, "files", i)), "the seed's order"
    assert list(sent) != sorted(sent, key=lambda i: order_key(1, "files", i))
    publish_folder(settings, tmp_path / "in", topic, "files")
    blind = [decode(value).header for _, value in messages(settings.brokers(), topic)][30:]
    assert len(blind) == 30
    assert all(set(header) == {"collection", "image_id", "encoding"} for header in blind)


def test_what_cannot_be_published_says_why(settings: Settings, tmp_path: Path, topic: str) -> None:
    with pytest.raises(NoData, match=r"\*\.png"):
        publish_folder(settings, tmp_path, topic, "files")
    (tmp_path / "link.png").symlink_to(__file__)
    with pytest.raises(NoData, match="1 files were left out, each a symbolic link"):
        publish_folder(settings, tmp_path, topic, "files")
    with pytest.raises(InputError, match="not a folder"):
        publish_folder(settings, tmp_path / "none", topic, "files")
    with pytest.raises(UnknownTopic, match="--create-topics"):
        require_or_create(settings, topic + "-not", create=False)
