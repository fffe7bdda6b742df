"""Through the job: the classes and splits that ingest takes from a source, and what it says about them."""

from __future__ import annotations

import gzip
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from labelmill.domain.codecs.png.codec import encode_png
from labelmill.errors import AllFailed, InputError
from labelmill.pipelines.ingest.driver import IngestOptions, ingest
from labelmill.pipelines.profile.driver import profile_collection
from labelmill.pipelines.profile.plan import ProfilePlan
from labelmill.settings import Settings
from labelmill.spark.report import Report
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import ANNOTATIONS, IMAGES

Meaning = Mapping[str, tuple[str | None, str | None]]


def png(number: int) -> bytes:
    """A picture unlike those of other numbers."""
    return encode_png(np.full((4, 4, 1), number, np.uint8))


def put(root: Path, paths: Sequence[str], first: int = 0) -> Path:
    """Pictures at these paths, all different."""
    for number, path in enumerate(paths, first):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(png(number))
    return root


def meaning(client: RowClient) -> dict[str, tuple[str | None, str | None]]:
    """Uri → class and split of all images."""
    classes = {row["image_id"]: row["class"] for row in client.scan(ANNOTATIONS)}
    return {
        str(row["uri"]): (classes.get(row["image_id"]), row["split"])  # type: ignore[misc]
        for row in client.scan(IMAGES, ["image_id", "uri", "split"])
    }


HEAPS: dict[str, Meaning] = {
    "wrapped": {
        "fruit/Training/Apple Golden 1/0_100.png": ("Apple Golden 1", "train"),
        "fruit/Training/Kiwi/0_100.png": ("Kiwi", "train"),
        "fruit/Test/Kiwi/1_100.png": ("Kiwi", "test"),
    },
    "years": {
        "coco/train2017/a/0.png": ("a", "train"),
        "coco/val2017/a/1.png": ("a", "validation"),
    },
    "a class called train": {
        "bus/0.png": ("bus", None),
        "plane/0.png": ("plane", None),
        "train/0.png": ("train", None),
    },
    "no class": {
        "images/train/0.png": (None, "train"),
        "images/test/1.png": (None, "test"),
    },
}


@pytest.mark.parametrize("heap", HEAPS.values(), ids=list(HEAPS))
@pytest.mark.parametrize("packed", ["folder", "zip"])
def test_folders_mean_what_their_heap_says(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path, heap: Meaning, packed: str
) -> None:  # fmt: skip
    source = put(tmp_path / "heap", list(heap))
    if packed == "zip":
        with zipfile.ZipFile(tmp_path / "heap.zip", "w") as file:
            for path in heap:
                file.write(source / path, path)
        source = tmp_path / "heap.zip"
    results = ingest(spark, settings, str(source), "c").results
    assert meaning(client) == heap
    splits = [split or "none" for _, split in heap.values()]
    assert results["splits"] == {one: splits.count(one) for one in set(splits)}
    classes = [name for name, _ in heap.values() if name]
    assert results["files_by_class"] == {one: classes.count(one) for one in set(classes)}
    assert results["classes_from"] == ({"folder": len(classes)} if classes else {})


def test_a_manifest_without_classes_takes_none_from_folders(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    put(tmp_path, ["img/000.png", "img/001.png"])
    manifest = tmp_path / "onehot.csv"
    manifest.write_text("filename,cat,dog\nimg/000.png,1,0\nimg/001.png,0,1\n")
    report = ingest(spark, settings, str(manifest), "c")
    assert report.results["classes"] == 0
    assert any("--label-columns" in note and "cat, dog" in note for note in report.notes)
    columns = IngestOptions(label_columns=("cat", "dog"))
    results = ingest(spark, settings, str(manifest), "hot", columns).results
    assert (results["files_by_class"], results["classes_from"]) == (
        {"cat": 1, "dog": 1},
        {"manifest": 2},
    )
    folder = ingest(spark, settings, str(manifest), "told", IngestOptions(labels="folder")).results
    assert folder["files_by_class"] == {"img": 2}
    manifest.write_text("filename,cat,dog\nimg/000.png,1,1\n")
    with pytest.raises(
        InputError, match="line 2: cat, dog are 1 in one row; an image has one class"
    ):
        ingest(spark, settings, str(manifest), "hot", columns)


def test_a_missing_file_is_told_with_the_one_that_may_be_meant(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    put(tmp_path / "manifests", ["img/000.png", "img/001.png"])
    manifest = tmp_path / "manifests" / "elsewhere.csv"
    manifest.write_text("path,label\nmanifests/img/000.png,a\nimg/001.PNG,b\nimg/x.png,c\n")
    report = _failed(spark, settings, manifest)
    messages = [sample["message"] for sample in report.tables["first_quarantined"]]
    assert "img/000.png is there: is it meant?" in messages[0]
    assert "img/001.png is there: is it meant?" in messages[1]
    assert "is there" not in messages[2]
    assert "No such file" in messages[2]


def _failed(spark: SparkSession, settings: Settings, manifest: Path) -> Report:
    report = ingest(spark, settings, str(manifest), "c")
    assert report.exit_code == AllFailed.exit_code
    return report


def test_numbers_that_the_file_names_are_classes(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    put(tmp_path, [f"{n}.png" for n in range(4)])
    features = (
        b'{"info": {"features": {"label": {"names": ["10", "2", "cat"], "_type": "ClassLabel"}}}}'
    )
    table = pa.table({"file_name": [f"{n}.png" for n in range(4)], "label": [0, 1, 2, -1]})
    pq.write_table(
        table.replace_schema_metadata({b"huggingface": features}), tmp_path / "train.parquet"
    )
    report = ingest(spark, settings, str(tmp_path / "train.parquet"), "c")
    assert {uri: name for uri, (name, _) in meaning(client).items()} == {
        "0.png": "10",
        "1.png": "2",
        "2.png": "cat",
        "3.png": None,
    }
    assert any("10, 2, cat" in note for note in report.notes)


def test_class_names_that_look_alike_are_told_and_made_one_by_flag(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    heap = put(tmp_path / "heap", ["caf\u00e9/0.png", "cafe\u0301/1.png", "tea/2.png"])
    report = ingest(spark, settings, str(heap), "c")
    assert report.results["classes"] == 3
    assert any("1 classes have several spellings" in note for note in report.notes)
    one = ingest(spark, settings, str(heap), "one", IngestOptions(normalise_classes=True))
    assert one.results["files_by_class"] == {"caf\u00e9": 2, "tea": 1}
    assert not any("spellings" in note for note in one.notes)


def test_a_pam_that_names_no_colours_is_told(
    spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    head = "P7\nWIDTH 2\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\n{}ENDHDR\n"
    (tmp_path / "a.pam").write_bytes(head.format("").encode() + bytes(range(6)))
    (tmp_path / "b.pam").write_bytes(head.format("TUPLTYPE RGB\n").encode() + bytes(range(6)))
    report = ingest(spark, settings, str(tmp_path), "c")
    assert report.results["new"] == 2
    assert any("1 PAM files of 3 or 4 channels name no TUPLTYPE" in note for note in report.notes)


def idx(path: Path, shape: Sequence[int], data: bytes, kind: int = 8) -> None:
    """A compressed IDX file."""
    head = struct.pack(f">BBBB{len(shape)}I", 0, 0, kind, len(shape), *shape)
    path.write_bytes(gzip.compress(head + data))


def test_rows_of_labels_give_the_class_and_attributes(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    idx(tmp_path / "qmnist-train-images-idx3-ubyte.gz", (3, 2, 2), bytes(range(12)))
    rows = [(5, 0, 77), (0, 1, 78), (5, 4, 79)]
    labels = b"".join(struct.pack(">3i", *row) for row in rows)
    idx(tmp_path / "qmnist-train-labels-idx2-int.gz", (3, 3), labels, 12)
    assert ingest(spark, settings, str(tmp_path), "c").results["files_by_class"] == {"5": 2, "0": 1}
    attributes = {str(row["attributes"]) for row in client.scan(IMAGES)}
    assert attributes == {f'{{"label_1": {b}, "label_2": {c}}}' for _, b, c in rows}
    assert set(meaning(client).values()) == {("5", "train"), ("0", "train")}


def test_emnist_is_turned_and_named_by_flag_and_its_needs_are_told(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    pictures = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    idx(tmp_path / "emnist-letters-train-images-idx3-ubyte.gz", pictures.shape, pictures.tobytes())
    idx(tmp_path / "emnist-letters-train-labels-idx1-ubyte.gz", (2,), bytes([1, 26]))
    mapping = tmp_path / "emnist-letters-mapping.txt"
    mapping.write_text("1 65 97\n26 90 122\n")
    told = ingest(spark, settings, str(tmp_path), "plain", IngestOptions(dry_run=True))
    assert any("--transpose" in note for note in told.notes)
    assert any("--mapping emnist-letters-mapping.txt" in note for note in told.notes)
    options = IngestOptions(transpose=True, mapping=str(mapping))
    report = ingest(spark, settings, str(tmp_path), "c", options)
    assert report.results["files_by_class"] == {"A": 1, "Z": 1}
    assert not any("EMNIST" in note for note in report.notes)
    row = next(row for row in client.scan(IMAGES) if str(row["uri"]).endswith("#0"))
    assert (row["height"], row["width"]) == (3, 2)
    assert row["pixels"] == pictures[0].T.tobytes()


@pytest.mark.parametrize("names", [("train", "test"), ("atrain", "ztest")])
def test_what_is_in_train_and_test_stays_held_out(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path, names: tuple[str, str]
) -> None:  # fmt: skip
    heap = put(tmp_path / "heap", [f"train/c/{names[0]}{n}.png" for n in range(4)])
    put(heap, [f"test/c/{names[1]}{n}.png" for n in (0, 1)], 2)
    put(heap, ["validation/c/v.png"], 1)
    report = ingest(spark, settings, str(heap), "c")
    assert report.results["in_several_splits"] == 3
    assert any("3 images are in several splits" in note for note in report.notes)
    splits = sorted(str(row["split"]) for row in client.scan(IMAGES, ["split"]))
    assert splits == ["test", "test", "train", "validation"]
    profiled, _ = profile_collection(spark, settings, ProfilePlan("c"))
    assert profiled.results["in_several_splits"] == 3
    assert any("3 images are in several splits" in note for note in profiled.notes)


def test_an_earlier_train_image_becomes_a_test_image(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    for split in ("train", "test", "train"):
        ingest(spark, settings, str(put(tmp_path / split, [f"{split}/c/0.png"])), "c")
        assert [row["split"] for row in client.scan(IMAGES)] == [
            "train" if split == "train" and not (tmp_path / "test").exists() else "test"
        ]


def test_names_in_a_code_page_are_told_and_read_by_flag(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    class Raw(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:
            return self.filename.encode("gbk"), 0

    path = tmp_path / "codepage.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(Raw("\u738b\u7fb2\u4e4b/0.png"), png(1))
    report = ingest(spark, settings, str(path), "c", IngestOptions(dry_run=True))
    assert any("--zip-encoding gbk" in note for note in report.notes)
    ingest(spark, settings, str(path), "c", IngestOptions(zip_encoding="gbk"))
    assert meaning(client) == {"\u738b\u7fb2\u4e4b/0.png": ("\u738b\u7fb2\u4e4b", None)}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (IngestOptions(label_columns=("a",)), "--label-columns is for manifests"),
        (IngestOptions(zip_encoding="gbk"), "--zip-encoding is for .zip"),
        (IngestOptions(transpose=True), "--transpose and --mapping are for IDX"),
    ],
)
def test_an_option_of_another_kind_of_source_is_refused(
    spark: SparkSession, settings: Settings, tmp_path: Path, options: IngestOptions, expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        ingest(spark, settings, str(put(tmp_path, ["a/0.png"])), "c", options)
