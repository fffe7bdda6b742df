"""Export on real Spark and Kudu: the files hold the stored pixels, and what a second run does."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from labelmill.domain.codecs import Pixels, decode_image
from labelmill.domain.codecs.png.codec import decode_png, encode_png
from labelmill.domain.images.image import image_id_of
from labelmill.errors import ImageError, InputError, LabelmillError, NoData, QueryRefused
from labelmill.pipelines.export.driver import ExportOptions, export
from labelmill.pipelines.export.file_names import MANIFEST
from labelmill.pipelines.export.manifest import COLUMNS
from labelmill.pipelines.export.output_folder import MARKER, PARTS
from labelmill.pipelines.ingest.driver import IngestOptions, ingest
from labelmill.pipelines.ingest.row_builder import ImageRows
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import ANNOTATIONS, IMAGE_CHUNKS, IMAGES
from labelmill.store.spark.frames import ensure_all
from labelmill.testing.png.files import every_kind
from tests.conftest import ROOT

ALL = "select * from images"
WITH_CLASSES = (
    "select i.*, a.class from images i join annotations a "
    "on i.collection = a.collection and i.image_id = a.image_id"
)


def test_what_was_decoded_is_what_the_exported_files_hold(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    source = _every_png(tmp_path / "images")
    expected = _decoded(source)
    ingest(spark, settings, str(source), "c", IngestOptions(labels="none"))

    seen = set()
    for format, layout in (("png", "uri"), ("npy", "class")):
        out = tmp_path / format
        sql = ALL if layout != "class" else "select collection, image_id, 'k' as class from images"
        report = export(spark, settings, sql, str(out), ExportOptions(format, layout))  # type: ignore[arg-type]
        assert report.exit_code == 0
        assert report.results["written"] == report.results["rows"] == len(expected)
        rows = _manifest(out)
        assert {row["image_id"] for row in rows} == set(expected)
        for row in rows:
            pixels, stored = _read(out, row), expected[row["image_id"]]
            assert pixels.dtype == stored.dtype
            np.testing.assert_array_equal(pixels, stored)
            shape = tuple(int(row[name]) for name in ("height", "width", "channels"))
            assert (shape, row["dtype"]) == (stored.shape, stored.dtype.name)
            seen.add((format, stored.shape[2], stored.dtype.name))
        assert set(_tree(out)) == {MARKER, MANIFEST, *(row["uri"] for row in rows)}
    assert len(seen) == 2 * 4 * 2, "both have met 1 to 4 channels of 8 and 16 bits"
    assert (tmp_path / "png/kinds/000.png").is_file()

    _goes_on_after_a_kill(spark, settings, tmp_path / "png")
    _is_not_taken_by_another_slice(spark, settings, tmp_path / "png")
    _says_which_pixels_are_missing(spark, settings, client, tmp_path / "missing")


def _goes_on_after_a_kill(spark: SparkSession, settings: Settings, out: Path) -> None:
    whole = _tree(out)
    (out / MANIFEST).unlink()
    (out / "kinds/000.png").unlink()
    (out / "kinds/001.png").write_bytes(b"not what was exported")
    (out / PARTS).mkdir()
    (out / PARTS / "half").write_bytes(b"\x89PNG")
    # The catalogue goes on; the export stays at its moment.
    results = export(spark, settings, ALL, str(out), ExportOptions(layout="uri")).results
    assert (results["written"], results["replaced"]) == (1, 1)
    assert results["already_there"] == len(whole) - 2 - 2
    assert _tree(out) == whole

    # A file that cannot be written is an error.
    (out / "kinds/000.png").unlink()
    (out / "kinds/000.png/in the way").mkdir(parents=True)
    with pytest.raises(LabelmillError, match=r"kinds/000\.png was not written: .*run it again"):
        export(spark, settings, ALL, str(out), ExportOptions(layout="uri"))


def _is_not_taken_by_another_slice(spark: SparkSession, settings: Settings, out: Path) -> None:
    with pytest.raises(InputError, match=r"another slice.*limit None, not 3"):
        export(spark, settings, ALL, str(out), ExportOptions(layout="uri", limit=3))
    with pytest.raises(InputError, match="not empty"):
        export(spark, settings, ALL, str(out / "kinds"))


def _says_which_pixels_are_missing(
    spark: SparkSession, settings: Settings, client: RowClient, out: Path
) -> None:
    (image,) = client.scan(IMAGES, ["collection", "image_id"], {"uri": "large.png"})
    client.write(IMAGE_CHUNKS, [{**image, "chunk": 1}], "delete_ignore")
    sql = (
        "select collection, image_id from images where uri in ('large.png', 'kinds/000.png') "
        "union all select 'c', 'no id'"
    )
    report = export(spark, settings, sql, str(out), ExportOptions(layout="id"))
    assert report.exit_code == 4
    assert (report.results["written"], report.results["missing"]) == (1, 2)
    messages = {row["image_id"]: row["message"] for row in report.tables["missing"]}
    assert "do not fit 200×300×1 uint16" in messages[str(image["image_id"])]
    assert "no such image" in messages["no id"]
    assert len(_manifest(out)) == 1


def test_any_names_and_classes_come_back_through_the_manifest(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    ensure_all(settings, client)
    classes = _store_odd_names(client)
    for layout in ("class", "uri"):
        out = tmp_path / "below" / layout
        report = export(spark, settings, WITH_CLASSES, str(out), ExportOptions(layout=layout))  # type: ignore[arg-type]
        assert report.exit_code == 0
        rows = _manifest(out)
        assert {(row["image_id"], row["label"]) for row in rows} == classes
        assert set(_tree(tmp_path / "below" / layout)) - {MARKER, MANIFEST} == {
            row["uri"] for row in rows
        }
        folded = {row["uri"].casefold(): row["image_id"] for row in rows}
        assert all(folded[row["uri"].casefold()] == row["image_id"] for row in rows)
        described = [row for row in rows if row["source_uri"] == "time.png"]
        assert {row["attributes"] for row in described} == {'{"a": "b,\\"c\\""}'}
        assert {row["source_time"] for row in described} == {"2024-02-29T12:00:00.000001Z"}
        assert len({row["uri"] for row in described}) == (2 if layout == "class" else 1)
    assert os.listdir(tmp_path) == ["below"]

    # The same annotations, whatever they were called by the file system.
    ingest(spark, settings, str(tmp_path / "below/class" / MANIFEST), "again")
    before, again = _described(client, "c"), _described(client, "again")
    found = {
        (again[str(a["image_id"])], a["class"])
        for a in client.scan(ANNOTATIONS, where={"collection": "again"})
    }
    assert found == {(before[image_id], label) for image_id, label in classes}


def test_what_cannot_be_exported_is_refused_before_anything_is_written(
    spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    out = str(tmp_path / "out")
    for sql, error, said in (
        ("select collection, image_id from images", InputError, "no column 'class'.*--layout id"),
        ("select collection, 'x' as class from images", InputError, "no column 'image_id'"),
        (f"{ALL} limit 3", QueryRefused, "ORDER BY"),
        ("select *, 'x' as class from images", NoData, "no rows"),
        ("select 'c' collection, 'i' image_id, 'x' class, 'dev' split", InputError, "split 'dev'"),
    ):
        with pytest.raises(error, match=said):
            export(spark, settings, sql, out)
    assert not os.path.exists(out)


def _every_png(source: Path) -> Path:
    """Every kind of PNG file, a large one, and the PNG suite where it is."""
    suite = ROOT.parent / "shared" / "data" / "pngsuite"
    files = {f"kinds/{number:03d}.png": data for number, data in enumerate(every_kind())}
    noise = np.random.default_rng(0).integers(0, 65536, (200, 300, 1), np.uint16)
    files["large.png"] = encode_png(noise)
    for name in os.listdir(suite) if suite.is_dir() else ():
        files[f"suite/{name}"] = (suite / name).read_bytes()
    for name, data in files.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return source


def _decoded(source: Path) -> dict[str, Pixels]:
    found = {}
    for path in source.rglob("*.png"):
        data = path.read_bytes()
        try:
            found[image_id_of(data)] = decode_png(data)
        except ImageError:
            assert path.name.startswith("x"), "the suite's broken files are called so"
    return found


def _store_odd_names(client: RowClient) -> set[tuple[str, str]]:
    """Writes images with odd uris and classes; returns (image id, class)."""
    now = datetime.now(timezone.utc)
    rows, classes = ImageRows("c", now), set()
    odd = [
        ("../../../etc/passwd", "..", "train"), ("/abs/1.png", "a/b", "train"),
        ("same.png", "Cat", None), ("same.png", "cat", None), ("SAME.png", "CAT", None),
        ("x.png/y.png", "train", None), ("manifest.csv/z.png", "manifest.csv", None),
        ("d/" * 2000 + "deep.png", "é" * 400, "test"), (".hidden/.x.png", ".hidden", "test"),
        ("nul\x01\n\"quoted\".png", "line\nbreak, \"quoted\"", None), ("time.png", "con", None),
    ]  # fmt: skip
    for number, (uri, label, split) in enumerate(odd):
        pixels = np.full((4, 4, 1), number, np.uint8)
        data = encode_png(pixels)
        described = uri == "time.png"
        attributes = '{"a": "b,\\"c\\""}' if described else None
        moment = 1_709_208_000_000_001 if described else None  # 2024-02-29
        image_id = image_id_of(data)
        rows.image(image_id, pixels, uri, len(data), split, attributes, moment)
        rows.annotation(image_id, "person", label, uri)
        classes.add((image_id, label))
    rows.annotation(image_id, "folder", "another", uri)
    classes.add((image_id, "another"))
    taken = rows.take()
    client.write(IMAGES, taken["images"])
    client.write(ANNOTATIONS, taken["annotations"])
    return classes


def _described(client: RowClient, collection: str) -> dict[str, tuple[object, ...]]:
    columns = ["pixels", "split", "attributes", "source_time"]
    rows = client.scan(IMAGES, ["image_id", *columns], {"collection": collection})
    return {str(row["image_id"]): tuple(row[name] for name in columns) for row in rows}


def _read(out: Path, row: dict[str, Any]) -> Pixels:
    data = (out / row["uri"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == row["sha256"]
    assert len(data) == int(row["bytes"])
    if row["uri"].endswith(".npy"):
        pixels: Pixels = np.load(io.BytesIO(data), allow_pickle=False)
        return pixels
    return decode_image(data, name=row["uri"])


def _manifest(out: Path) -> list[dict[str, str]]:
    with (out / MANIFEST).open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert reader.fieldnames == COLUMNS
    assert [row["uri"] for row in rows] == sorted(row["uri"] for row in rows)
    return rows


def _tree(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}
