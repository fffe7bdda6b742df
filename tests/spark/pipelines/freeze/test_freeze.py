"""Training sets on real Spark and Kudu: repeatable, verified, refused when invalid."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from labelmill.domain.codecs.png.codec import decode_png, encode_png
from labelmill.domain.images.image import image_id_of
from labelmill.domain.splits.assign import Division
from labelmill.domain.splits.hashing import split_of
from labelmill.errors import (
    ArtifactError,
    InputError,
    MissingRow,
    NoData,
    QueryRefused,
    StoreUnreachable,
    UnknownName,
)
from labelmill.feed.rows.shards import open_files
from labelmill.feed.training_set import TrainingSet
from labelmill.pipelines.freeze.driver import default_sql, freeze
from labelmill.pipelines.ingest.driver import ingest
from labelmill.settings import Settings
from labelmill.sql import catalogue
from labelmill.sql.pixels import with_pixels
from labelmill.store.client import RowClient
from labelmill.store.records import texts
from labelmill.store.schema.tables import IMAGE_CHUNKS, TRAINING_SETS
from labelmill.training_sets.assembly.options import Options
from labelmill.training_sets.registry import find
from tests.helpers.image_folders import write_image_folder

SQL = default_sql("c")


@pytest.fixture
def heap(spark: SparkSession, settings: Settings, tmp_path: Path) -> Path:
    """60 images in classes a and b, ingested as ``c``."""
    folder = write_image_folder(tmp_path / "heap", images=60)
    ingest(spark, settings, str(folder), "c")
    return folder


def test_rows_classes_and_splits_are_those_of_the_slice(
    spark: SparkSession, settings: Settings, client: RowClient, heap: Path
) -> None:
    results = freeze(spark, settings, SQL, "first").results
    frozen = find(settings, "first")
    assert frozen.digest == results["digest"]
    assert frozen.classes == ["a", "b"]
    files = {image_id_of(p.read_bytes()): p for p in heap.rglob("*.png")}
    seen = set()
    for split in ("train", "validation", "test"):
        ids, images, labels = frozen.split(split)
        assert isinstance(images, np.ndarray)
        assert images.shape == (len(ids), 4, 4, 1)
        for image_id, image, label in zip(ids, images, labels, strict=True):
            assert split_of(image_id) == split
            assert (image == decode_png(files[image_id].read_bytes())).all()
            assert frozen.classes[label] == files[image_id].parent.name
        seen |= set(ids)
    assert seen == set(files)
    [row] = client.scan(TRAINING_SETS)
    assert row["rows"] == 60
    assert json.loads(str(row["histogram"])) == frozen.manifest.histogram
    alone = open_files(frozen.files())
    assert (alone.split("train")[2] == frozen.split("train")[2]).all()


def test_digest_and_files_do_not_depend_on_partitions(
    spark: SparkSession, settings: Settings, client: RowClient, heap: Path, tmp_path: Path
) -> None:
    def frozen(sql: str, where: str) -> tuple[str, dict[str, bytes]]:
        for row in client.scan(TRAINING_SETS, ["digest"]):  # else the first files would be kept
            client.write(TRAINING_SETS, [row], "delete_ignore")
        results = freeze(spark, settings, sql, "x", location=str(tmp_path / where)).results
        assert not results["already_frozen"]
        files = Path(results["location"]).glob("*.arrow")
        return results["digest"], {path.name: path.read_bytes() for path in files}

    once = frozen(SQL, "once")
    for partitions in (1, 2, 8):
        # A hint in the query changes how the rows are cut.
        cut = SQL.replace("select ", f"select /*+ repartition({partitions}) */ ", 1)
        assert frozen(cut, f"in{partitions}") == once


def test_a_snapshot_does_not_see_what_came_later(
    spark: SparkSession, settings: Settings, heap: Path, tmp_path: Path
) -> None:
    before = freeze(spark, settings, SQL, "x").results
    ingest(spark, settings, str(write_image_folder(tmp_path / "more", images=5, seed=9)), "c")
    again = freeze(spark, settings, SQL, "x", snapshot_ms=before["snapshot_ms"]).results
    assert (again["digest"], again["already_frozen"]) == (before["digest"], True)
    assert freeze(spark, settings, SQL, "x").results["rows"] == 65


def test_given_splits_stay_and_validation_is_cut_off_train(
    spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    write_image_folder(tmp_path / "heap/train", images=100)
    write_image_folder(tmp_path / "heap/test", images=10, seed=1)
    ingest(spark, settings, str(tmp_path / "heap"), "c")
    results = freeze(spark, settings, SQL, "x").results
    assert results["splits"]["test"] == 10
    assert 1 <= results["splits"]["validation"] <= 25
    assert results["splits"]["train"] + results["splits"]["validation"] == 100
    whole = freeze(spark, settings, SQL, "x", Options(Division(validation_fraction=0.0))).results
    assert whole["splits"] == {"test": 10, "train": 100}


def test_an_altered_or_missing_shard_is_refused_and_frozen_again(
    spark: SparkSession, settings: Settings, heap: Path
) -> None:
    place = Path(freeze(spark, settings, SQL, "x").results["location"])
    shard = place / "train-00000.arrow"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(bytes(data))
    with pytest.raises(ArtifactError, match=r"train-00000\.arrow.*expected"):
        TrainingSet.open(str(place))
    shard.unlink()
    with pytest.raises(ArtifactError, match="is missing"):
        find(settings, "x")
    freeze(spark, settings, SQL, "x")
    assert len(find(settings, "x").split("train")[0]) > 0


REFUSED: list[tuple[str, type[Exception], str]] = [
    (SQL + " and false", NoData, "no rows"),
    ("select collection, image_id, uri from images", UnknownName, "needs 'class'"),
    (
        SQL.replace("t.class", "nullif(t.class, 'a') as class"),
        InputError,
        "30 of 60 rows have no class",
    ),
    (f"{SQL} union all {SQL}", InputError, "more than once"),
    (SQL.replace("i.split", "'dev' as split"), InputError, r"\['dev'\]"),
    (SQL.replace("i.pixels", "i.pixels, rand() as r"), QueryRefused, "rand"),
    ("drop table images", QueryRefused, "DropTable"),
]


def test_slices_that_cannot_be_learned_from_are_refused(
    spark: SparkSession, settings: Settings, heap: Path
) -> None:
    for sql, error, text in REFUSED:
        with pytest.raises(error, match=text):
            freeze(spark, settings, sql, "x")
    root = Path(settings.training_set_root())
    assert not root.exists() or not list(root.iterdir()), "a refused slice leaves no files"


def test_equal_rows_keep_their_first_name(
    spark: SparkSession, settings: Settings, client: RowClient, heap: Path
) -> None:
    first = freeze(spark, settings, SQL, "first").results
    again = freeze(spark, settings, SQL + " and true", "second")
    assert (again.results["name"], again.results["digest"]) == ("first", first["digest"])
    assert any("already frozen as 'first'" in note for note in again.notes)
    frozen = find(settings, "first")
    with pytest.raises(MissingRow, match="known training sets: first"):
        find(settings, "second")
    [row] = client.scan(TRAINING_SETS)
    for column in ("name", "sql", "snapshot_ms", "digest"):
        assert row[column] == getattr(frozen.manifest, column)
    # Another catalogue's name for the files: the manifest follows the row.
    client.write(TRAINING_SETS, [{"digest": first["digest"]}], "delete_ignore")
    freeze(spark, settings, SQL, "third")
    assert find(settings, "third").manifest.name == "third"


def test_rows_stay_where_they_were_frozen_first(
    spark: SparkSession,
    settings: Settings,
    client: RowClient,
    heap: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    first = freeze(spark, settings, SQL, "x", location="sets").results["location"]
    assert first == str(tmp_path / "sets" / Path(first).name)
    again = freeze(spark, settings, SQL, "x", location="other")
    assert (again.results["location"], again.results["already_frozen"]) == (first, True)
    assert (
        f"these rows are already frozen in {first}: nothing was written to {tmp_path}/other"
        in again.notes
    )
    assert [row["location"] for row in client.scan(TRAINING_SETS)] == [first]
    assert list((tmp_path / "other").iterdir()) == []


def test_long_classes_and_queries_are_recorded_and_a_long_name_is_refused_first(
    spark: SparkSession, settings: Settings, client: RowClient, heap: Path
) -> None:
    long = f"concat(t.class, ' {'x' * 2000} ', substring(i.image_id, 1, 12)) class"
    sql = f"{SQL.replace('t.class', long)} /* {'x' * 70_000} */"
    results = freeze(spark, settings, sql, "many").results
    manifest = find(settings, "many").manifest
    assert len(manifest.classes) == 60
    [row] = texts.read(client, TRAINING_SETS)
    assert row["sql"] == sql
    assert json.loads(str(row["classes"])) == manifest.classes
    assert json.loads(str(row["histogram"])) == manifest.histogram
    with pytest.raises(InputError, match=r"the name has 1,001 bytes; expected at most 1,000"):
        freeze(spark, settings, SQL, "x" * 1_001)
    assert [p.name for p in Path(settings.training_set_root()).iterdir()] == [results["digest"]]


def test_what_could_not_be_recorded_leaves_no_files(
    spark: SparkSession, settings: Settings, heap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        assert list(Path(settings.training_set_root()).glob("*/manifest.json"))
        raise StoreUnreachable("Kudu went away")

    with monkeypatch.context() as patch:
        patch.setattr("labelmill.pipelines.freeze.driver.record", away)
        with pytest.raises(StoreUnreachable):
            freeze(spark, settings, SQL, "x")
        assert list(Path(settings.training_set_root()).iterdir()) == []
    freeze(spark, settings, SQL, "x")
    monkeypatch.setattr("labelmill.pipelines.freeze.driver.record", away)
    with pytest.raises(StoreUnreachable):
        freeze(spark, settings, SQL, "x")
    assert find(settings, "x").manifest.rows == 60, "files that were there before stay"


def test_an_image_without_its_middle_is_refused(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (200, 400, 1), np.uint8)
    (tmp_path / "heap/a").mkdir(parents=True)
    (tmp_path / "heap/a/1.png").write_bytes(encode_png(pixels))
    write_image_folder(tmp_path / "heap", images=6)
    ingest(spark, settings, str(tmp_path / "heap"), "c")
    any_three = catalogue.query(spark, settings, "select * from images order by rand() limit 3")
    filled = with_pixels(any_three, settings)
    plan = filled._jdf.queryExecution().optimizedPlan().toString()
    assert plan.count("rand(") == 1, "a query that answers otherwise each time runs once"
    assert len({row["image_id"] for row in filled.collect()}) == 3
    image_id = image_id_of((tmp_path / "heap/a/1.png").read_bytes())
    client.write(
        IMAGE_CHUNKS, [{"collection": "c", "image_id": image_id, "chunk": 1}], "delete_ignore"
    )
    with pytest.raises(InputError, match=f"{image_id}.*do not fit 200×400×1 uint8"):
        freeze(spark, settings, SQL, "x")


def test_unknown_training_sets_name_the_known(settings: Settings) -> None:
    with pytest.raises(MissingRow, match="known training sets: none"):
        find(settings, "nope")
