"""Manifests, URIs and topics through a whole ingest, on real Spark, Kudu and Kafka."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Producer
from pyspark.sql import SparkSession

from labelmill.bus.envelope import Envelope, encode
from labelmill.bus.payload import of_array
from labelmill.bus.topics import client_conf, ensure_topic
from labelmill.domain.codecs.png.codec import encode_png
from labelmill.domain.images.paths import uri_of
from labelmill.errors import InputError, UnknownTopic
from labelmill.pipelines.ingest.driver import IngestOptions, ingest
from labelmill.settings import Settings
from labelmill.sources.kafka import source as kafka_source
from labelmill.sources.remote import hadoop_waves
from labelmill.store.client import RowClient
from labelmill.store.records.digest import collection_digest
from labelmill.store.schema.tables import ANNOTATIONS, IMAGES, QUARANTINE
from tests.helpers.image_folders import write_image_folder

RANDOM = np.random.default_rng(7)


def _png() -> bytes:
    return encode_png(RANDOM.integers(0, 256, (4, 4, 1), np.uint8))


@pytest.fixture
def mounted(spark: SparkSession, tmp_path: Path) -> str:
    """A URI of `tmp_path` whose scheme only Hadoop knows."""
    name = uuid.uuid4().hex
    key = f"fs.viewfs.mounttable.{name}.link./in"
    spark._jsc.hadoopConfiguration().set(key, tmp_path.as_uri())
    return f"viewfs://{name}/in"


def test_a_uri_gives_the_rows_of_its_folder(
    spark: SparkSession,
    settings: Settings,
    client: RowClient,
    tmp_path: Path,
    mounted: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hadoop_waves, "_PARTS", 2)
    monkeypatch.setattr(hadoop_waves, "_DRIVER_FILES", 20)
    monkeypatch.setattr(hadoop_waves, "ARCHIVED_FILE_CAP", 400)
    source = write_image_folder(tmp_path / "images", images=20)
    odd = ["a b.png", "%41.png", "ü#.png", "[1].png", "{a,b}.png", "_MG_1.png", "\\udcff.png"]
    odd += ["new\nline.png", "k=v/1.png", "_d/1.png", "x.png/1.png", "; isDirectory=true.png"]
    for name in odd:
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(_png())
    large = encode_png(RANDOM.integers(0, 256, (20, 20, 1), np.uint8))
    (source / "a" / "large.png").write_bytes(large)
    (source / "empty.png").touch()
    (source / "notes.txt").touch()

    # Hadoop's own check sums: one file that it finds damaged, among others that are not.
    wrong = source / "a" / ".002.png.crc"
    wrong.write_bytes(b"crc\0\0\0\2\0" + b"1234")
    first = ingest(spark, settings, f"{mounted}/images", "c").results
    assert (first["files"], first["new"]) == (34, 32)
    assert first["quarantined_by_reason"] == {"unreadable": 1, "not_png": 1}
    [bad] = client.scan(QUARANTINE, None, {"collection": "c", "uri": "a/002.png"})
    assert "ChecksumException" in str(bad["message"])

    wrong.unlink()
    second = ingest(spark, settings, f"{mounted}/images/", "c").results
    assert (second["new"], second["quarantined"]) == (1, 1)
    assert not list(client.scan(QUARANTINE, None, {"collection": "c", "uri": "a/002.png"}))
    digest = collection_digest(client, "c")
    uris = sorted(str(row["uri"]) for row in client.scan(IMAGES))
    good = [p for p in source.rglob("*.png") if p.is_file() and p.stat().st_size]
    assert uris == sorted(uri_of(p.relative_to(source).as_posix()) for p in good)

    folder = ingest(spark, settings, str(source), "c").results
    assert (folder["files"], folder["new"], folder["annotations"]) == (34, 0, 0)
    assert folder["skipped"] == second["skipped"]
    assert collection_digest(client, "c") == digest


def test_invalid_uris(
    spark: SparkSession, settings: Settings, tmp_path: Path, mounted: str
) -> None:
    (tmp_path / "x.tar").touch()
    for source, message in {
        f"{mounted}/x.tar": "is a file; a URI names a folder of images. Archives, IDX files and",
        f"{mounted}/nope": "cannot look up viewfs.*nope",
        "hdfs:///x": "cannot look up hdfs:///x: .*no host",
        "nope://x/y": 'no file system for nope://x/y: Spark says .*No FileSystem for scheme "nope"',
    }.items():
        with pytest.raises(InputError, match=message):
            ingest(spark, settings, source, "c")


def test_a_manifest_says_what_the_files_are(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(_png())
    manifest = tmp_path / "m.csv"
    manifest.write_text(
        "id,label,split,source_time,weight\n"
        "0,cat,train,2024-05-01T12:30:00+02:00,0.5\n"
        "0,dog,train,2024-05-01T12:30:00+02:00,0.5\n"
        "1,cat,,,\n"
        "2,,,,7\n"
        "../../3,cat,,,\n"
        "4,cat,,,\n"
    )
    options = IngestOptions(uri="{id}.png")
    results = ingest(spark, settings, str(manifest), "c", options).results
    assert (results["files"], results["new"], results["conflicts"]) == (6, 3, 1)
    assert results["quarantined_by_reason"] == {"outside_root": 1, "unreadable": 1}
    rows = {str(row["uri"]): row for row in client.scan(IMAGES)}
    assert rows["0.png"]["source_time"] == datetime(2024, 5, 1, 10, 30, tzinfo=timezone.utc)
    assert rows["0.png"]["split"] == "train"
    assert json.loads(str(rows["2.png"]["attributes"])) == {"id": 2, "weight": 7}
    found = {(row["uri"], row["source"], row["class"]) for row in client.scan(ANNOTATIONS)}
    assert found == {
        ("0.png", "manifest/cat", "cat"),
        ("0.png", "manifest/dog", "dog"),
        ("1.png", "manifest/cat", "cat"),
    }
    with pytest.raises(InputError, match="--uri is for manifests"):
        ingest(spark, settings, str(tmp_path), "c", options)


def test_a_topic_is_read_to_its_end(
    spark: SparkSession,
    settings: Settings,
    client: RowClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kafka_source, "WAVE_FILES", 9)
    name = f"t-{uuid.uuid4().hex[:10]}"
    with pytest.raises(UnknownTopic, match=name):
        ingest(spark, settings, f"kafka:{name}", "c")
    ensure_topic(settings.brokers(), name, partitions=2)
    pixels = RANDOM.integers(0, 256, (4, 4, 1), np.uint8)
    raw = of_array(pixels.tobytes(), (4, 4, 1), "uint8", image_id="0" * 64, uri="1.png")
    values: list[bytes | None] = [_png() for _ in range(12)]
    values += [encode(Envelope({"class": n % 3, "n": n}, _png())) for n in range(6)]
    values += [encode(raw), b"GIF89a", None, None, None]
    producer = Producer(client_conf(settings.brokers()))
    for number, value in enumerate(values):
        producer.produce(name, value, partition=number % 2)
    assert producer.flush(30) == 0

    results = ingest(spark, settings, f"kafka:{name}", "c").results
    assert (results["files"], results["new"], results["annotations"]) == (20, 19, 6)
    assert results["quarantined_by_reason"] == {"not_an_envelope": 1}
    assert results["skipped"] == {"message without a value": 3}
    [bad] = client.scan(QUARANTINE)
    assert (bad["uri"], bad["head"]) == (f"kafka:{name}/1/9", b"GIF89a")
    rows = {str(row["uri"]): row for row in client.scan(IMAGES)}
    assert rows["1.png.pnm"]["pixels"] == pixels.tobytes()
    assert rows["1.png.pnm"]["image_id"] != "0" * 64
    assert all(row["source_time"] is not None for row in rows.values())
    labelled = rows[f"kafka:{name}/0/6"]
    assert json.loads(str(labelled["attributes"])) == {"n": 0}
    sources = sorted(str(row["source"]) for row in client.scan(ANNOTATIONS))
    assert sources == sorted(f"message/{n % 3}" for n in range(6))

    digest = collection_digest(client, "c")
    again = ingest(spark, settings, f"kafka:{name}", "c").results
    assert (again["new"], again["files"]) == (0, 20)
    assert collection_digest(client, "c") == digest
    assert ingest(spark, settings, f"kafka:{name}", "few", IngestOptions(limit=5)).results["files"] == 5  # fmt: skip
