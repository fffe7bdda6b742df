"""Ingest on real Spark and Kudu: what is stored, and what a second run does."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from labelmill.domain.codecs.png.codec import decode_png, encode_png
from labelmill.domain.images.image import image_id_of
from labelmill.errors import AllFailed, InputError, NoData, NotAccepted
from labelmill.pipelines.ingest.driver import IngestOptions, ingest
from labelmill.settings import Settings
from labelmill.sources import base
from labelmill.sql import catalogue
from labelmill.sql.pixels import with_pixels
from labelmill.store.client import RowClient
from labelmill.store.records.digest import collection_digest
from labelmill.store.schema.tables import ANNOTATIONS, IMAGE_CHUNKS, IMAGES, QUARANTINE
from tests.helpers.image_folders import pack, write_bad_files, write_image_folder


def newest_job(spark: SparkSession) -> int:
    """Number of the last Spark job that began."""
    return max(spark.sparkContext.statusTracker().getJobIdsForGroup(None), default=-1)


def test_files_become_rows_and_a_second_run_adds_nothing(
    spark: SparkSession,
    settings: Settings,
    client: RowClient,
    tmp_path: Path,
    kudu_tool: Callable[..., str],
) -> None:
    source = write_image_folder(tmp_path / "images")
    first = ingest(spark, settings, str(source), "c").results
    assert (first["files"], first["new"], first["annotations"], first["quarantined"]) == (
        12,
        12,
        12,
        0,
    )

    rows = {str(row["uri"]): row for row in client.scan(IMAGES)}
    for path in source.rglob("*.png"):
        row = rows.pop(path.relative_to(source).as_posix())
        pixels = decode_png(path.read_bytes())
        assert row["image_id"] == image_id_of(path.read_bytes())
        assert row["pixels"] == pixels.tobytes()
        assert (row["height"], row["width"], row["channels"], row["dtype"]) == (4, 4, 1, "uint8")
        assert row["mean"] == pytest.approx(pixels.mean() / 255, abs=1e-6)
        assert row["bytes"] == path.stat().st_size
        assert row["split"] is None
    assert not rows
    found = {(a["uri"], a["class"], a["source"]) for a in client.scan(ANNOTATIONS)}
    assert ("a/000.png", "a", "folder/a") in found
    assert len(found) == 12
    # Seen by a tool that shares no code with us.
    assert '"a/000.png"' in kudu_tool(
        "table", "scan", f"{settings.table_prefix}images", "--columns=uri"
    )

    before = collection_digest(client, "c")
    times = {row["ingested_at"] for row in client.scan(IMAGES, ["ingested_at"])}
    second = ingest(spark, settings, str(source), "c").results
    assert (second["new"], second["already_there"], second["annotations"]) == (0, 12, 0)
    assert collection_digest(client, "c") == before
    assert {row["ingested_at"] for row in client.scan(IMAGES, ["ingested_at"])} == times


def test_an_archive_gives_the_rows_of_its_folder(
    spark: SparkSession,
    settings: Settings,
    client: RowClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_image_folder(tmp_path / "images" / "train")
    write_image_folder(tmp_path / "images" / "test", images=4, seed=1)
    write_bad_files(tmp_path / "images")
    (tmp_path / "images" / "notes.txt").write_text("not an image")
    for number, name in enumerate(
        (b"\xff.png", b"\\udcff.png")
    ):  # not UTF-8, and its like in UTF-8
        good = encode_png(np.full((3, 3, 1), number, np.uint8))
        (tmp_path / "images/train/b" / os.fsdecode(name)).write_bytes(good)
    monkeypatch.setattr(base, "WAVE_FILES", 5)  # several waves must not change anything
    archive = pack(tmp_path / "images", tmp_path / "images.tar.gz")
    folder = ingest(spark, settings, str(tmp_path / "images"), "c").results
    before = collection_digest(client, "c")
    streamed = ingest(spark, settings, str(archive), "c").results
    assert folder["new"] == 18
    assert (streamed["new"], streamed["already_there"], streamed["quarantined"]) == (0, 18, 5)
    uris = {row["uri"]: row["mean"] for row in client.scan(IMAGES, ["uri", "mean"])}
    assert uris["train/b/\\udcff.png"] == 0.0
    assert uris["train/b/\\\\udcff.png"] > 0.0
    assert streamed["skipped"] == folder["skipped"] == {"not named like an image: .txt": 1}
    assert collection_digest(client, "c") == before
    assert {row["split"] for row in client.scan(IMAGES, ["split"])} == {"train", "test"}


def test_bad_files_are_quarantined_with_reasons_and_released_when_fixed(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    source = write_image_folder(tmp_path / "images", images=4)
    expected = write_bad_files(source)
    report = ingest(spark, settings, str(source), "c")
    assert report.error is None
    assert report.results["new"] == 4
    rows = {str(row["uri"]): row for row in client.scan(QUARANTINE)}
    assert {uri: row["reason"] for uri, row in rows.items()} == expected
    assert rows["bad/text.png"]["head"] == b"this is no picture\n"
    assert "20000" in str(rows["bad/huge.png"]["message"]).replace(",", "")

    (source / "bad/text.png").write_bytes(encode_png(np.full((4, 4, 1), 9, np.uint8)))
    assert ingest(spark, settings, str(source), "c").results["new"] == 1
    assert {str(row["uri"]) for row in client.scan(QUARANTINE, ["uri"])} == set(expected) - {
        "bad/text.png"
    }


def test_too_many_bad_files_fail_the_job_after_the_good_ones(
    spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    source = write_image_folder(tmp_path / "images", images=5)
    write_bad_files(source)
    for wrong in (float("nan"), 101):
        with pytest.raises(InputError, match="expected a percentage, 0 to 100"):
            ingest(spark, settings, str(source), "c", IngestOptions(fail_over=wrong))
    report = ingest(spark, settings, str(source), "c", IngestOptions(fail_over=20.0))
    assert report.exit_code == NotAccepted.exit_code
    assert "50.00 %" in str(report.error)
    assert report.results["new"] == 5
    shutil.rmtree(source / "a")
    shutil.rmtree(source / "b")
    assert ingest(spark, settings, str(source), "d").exit_code == AllFailed.exit_code


def test_same_bytes_twice_are_one_image_and_a_conflict_when_classes_differ(
    spark: SparkSession,
    settings: Settings,
    client: RowClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = write_image_folder(tmp_path / "images", images=3)
    shutil.copy(source / "a/000.png", source / "a/zzz.png")
    shutil.copy(source / "a/000.png", source / "b/000.png")
    monkeypatch.setattr(base, "WAVE_FILES", 2)
    results = ingest(spark, settings, str(source), "c").results
    assert (results["files"], results["new"], results["conflicts"]) == (5, 3, 1)
    assert (results["repeated_in_source"], results["already_there"]) == (2, 0)
    mine = [
        r
        for r in client.scan(IMAGES)
        if r["image_id"] == image_id_of((source / "a/000.png").read_bytes())
    ]
    assert [row["uri"] for row in mine] == ["a/000.png"], (
        "the first in order wins, across waves too"
    )
    assert len(list(client.scan(ANNOTATIONS))) == 4


def test_the_first_of_equal_files_names_the_image_however_workers_race(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    source = write_image_folder(tmp_path / "images" / "test", images=200)
    for path in sorted((source / "a").glob("*.png")):
        for copy in ("train", "validation"):
            target = tmp_path / "images" / copy / "a" / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    options = IngestOptions(labels="{class}/{number}.png")
    results = ingest(spark, settings, str(tmp_path / "images"), "c", options).results
    assert (results["new"], results["repeated_in_source"], results["conflicts"]) == (200, 200, 0)
    rows = list(client.scan(IMAGES, ["uri", "split", "attributes"]))
    assert {str(row["uri"]).split("/")[0] for row in rows} == {"test"}
    assert {row["split"] for row in rows} == {"test"}
    assert '{"number": "001"}' in {row["attributes"] for row in rows}
    assert {a["source"] for a in client.scan(ANNOTATIONS)} == {"name/a", "name/b"}
    # As a killed run may leave it: a later one of the equal files came first.
    whole = next(row for row in client.scan(IMAGES) if row["uri"] == "test/a/000.png")
    client.write(IMAGES, [{**whole, "uri": "train/a/000.png", "split": "train"}])
    again = ingest(spark, settings, str(tmp_path / "images"), "c", options).results
    assert again["new"] == 0
    assert {row["split"] for row in client.scan(IMAGES, ["split"])} == {"test"}


def test_a_dry_run_reports_and_writes_nothing(
    spark: SparkSession, settings: Settings, tmp_path: Path, kudu_tool: Callable[..., str]
) -> None:
    source = write_image_folder(tmp_path / "images", images=6)
    write_bad_files(source)
    report = ingest(spark, settings, str(source), "c", IngestOptions(limit=8, dry_run=True))
    assert (report.results["files"], report.results["would_take"]) == (8, 6)
    assert report.results["quarantined"] == 2
    assert settings.table_prefix not in kudu_tool("table", "list")


def test_a_zip_of_windows_and_folders_of_systems(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    """Backslashes between folders, as some archivers of Windows write them; what a Mac adds."""
    archive = tmp_path / "windows.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for number, path in enumerate(
            ("heap/cat/0.png", "heap/dog/train/1.png", "__MACOSX/cat/0.png")
        ):
            member = zipfile.ZipInfo(path)
            member.create_system = 0
            pixels = np.full((4, 4, 1), number, np.uint8)
            made.writestr(member, encode_png(pixels))
    data = archive.read_bytes().replace(b"heap/cat/0.png", b"heap\\cat\\0.png")
    archive.write_bytes(data.replace(b"heap/dog/train/1.png", b"heap\\dog\\train\\1.png"))
    report = ingest(spark, settings, str(archive), "windows")
    assert report.results["files"] == 2
    assert report.results["skipped"] == {"folder of the operating system": 1}
    found = {str(row["uri"]): row["split"] for row in client.scan(IMAGES)}
    assert found == {"heap/cat/0.png": None, "heap/dog/train/1.png": "train"}
    assert {row["class"] for row in client.scan(ANNOTATIONS)} == {"cat", "dog"}


def test_large_images_are_chunked_and_come_back_whole(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (200, 300, 1), np.uint16)
    write_image_folder(tmp_path / "images", images=2)
    ingest(spark, settings, str(tmp_path / "images"), "c")
    frame = catalogue.query(spark, settings, "select * from images order by uri limit 2")
    before = newest_job(spark)
    assert with_pixels(frame, settings) is frame
    assert newest_job(spark) == before, "no image is in chunks, and no job was needed to know"
    (tmp_path / "images/a/large.png").write_bytes(encode_png(pixels))
    ingest(spark, settings, str(tmp_path / "images"), "c")
    [row] = [row for row in client.scan(IMAGES) if row["uri"] == "a/large.png"]
    assert row["pixels"] is None
    assert row["thumbnail"]
    chunks = sorted(client.scan(IMAGE_CHUNKS), key=lambda chunk: int(str(chunk["chunk"])))
    assert max(len(chunk["data"]) for chunk in chunks) <= 32 << 10  # type: ignore[arg-type]
    assert b"".join(chunk["data"] for chunk in chunks) == pixels.tobytes()  # type: ignore[misc]
    frame = catalogue.query(spark, settings, "select * from images")
    whole = {r["uri"]: r["pixels"] for r in with_pixels(frame, settings).collect()}
    assert whole["a/large.png"] == pixels.tobytes()
    assert len(whole) == 3
    # Chunks are looked up by key, and not at all by a collection that has none.
    for condition, looked_up in {
        "": True,
        "where collection <> 'Limit'": True,
        "order by uri, image_id limit 3": False,
        # Other rows may come in the run whose pixels are filled in.
        "offset 0": False,
        "where 3 > (select count(*) from (select row_number() over (order by mean) from images))": False,
    }.items():
        frame = catalogue.query(spark, settings, f"select * from images {condition}")
        text = with_pixels(frame, settings)._jdf.queryExecution().toString()
        assert (str(row["image_id"]) in text) is looked_up, condition
    write_image_folder(tmp_path / "small", images=2, seed=9)
    ingest(spark, settings, str(tmp_path / "small"), "d")
    small = catalogue.query(spark, settings, "select * from images where collection = 'd'")
    assert with_pixels(small, settings) is small


def test_a_folder_without_labels_is_fine_and_says_how_labels_are_found(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/1.png").write_bytes(encode_png(np.zeros((2, 2, 1), np.uint8)))
    report = ingest(spark, settings, str(tmp_path / "images"), "c")
    assert (report.results["new"], report.results["annotations"]) == (1, 0)
    assert any("parent folder" in note for note in report.notes)


def test_each_kind_of_nothing_to_ingest_has_its_own_error(
    spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoData, match="holds no image files"):
        ingest(spark, settings, str(tmp_path / "empty"), "c")
    with pytest.raises(InputError, match="does not exist"):
        ingest(spark, settings, str(tmp_path / "nowhere"), "c")
    (tmp_path / "x.jpg").write_bytes(b"x")
    with pytest.raises(
        InputError, match=r"is not a kind of source that can be ingested; .*\.tar\.gz"
    ):
        ingest(spark, settings, str(tmp_path / "x.jpg"), "c")
    with pytest.raises(InputError, match=r"names no \{class\}"):
        ingest(spark, settings, str(tmp_path / "empty"), "c", IngestOptions(labels="{x}.png"))
    with pytest.raises(InputError, match="letters, digits"):
        ingest(spark, settings, str(tmp_path / "empty"), "a/b")


def test_a_damaged_archive_keeps_what_came_before(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    write_image_folder(tmp_path / "images", images=300)
    whole = pack(tmp_path / "images", tmp_path / "whole.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    report = ingest(spark, settings, str(tmp_path / "cut.tar.gz"), "c")
    assert re.search(
        r"cut\.tar\.gz is damaged after [0-9]+ images.*those are ingested", str(report.error)
    )
    assert report.exit_code == InputError.exit_code
    there = len(list(client.scan(IMAGES, ["uri"])))
    assert 0 < there == report.results["new"] == report.results["files"] < 300
    (tmp_path / "stub.tar.gz").write_bytes(whole[:100])
    with pytest.raises(InputError, match="damaged after 0 images"):
        ingest(spark, settings, str(tmp_path / "stub.tar.gz"), "c")
