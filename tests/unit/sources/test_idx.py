"""IDX pairs: every item is an image file that decodes to its samples, with its label."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from labelmill.domain.codecs import decode_image
from labelmill.errors import InputError
from labelmill.sources import idx
from labelmill.sources.base import SourceOptions
from labelmill.sources.idx import IdxSource, find_idx, is_idx

_TYPES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D}
_RANDOM = np.random.default_rng(4)


def content(values: npt.NDArray[np.generic]) -> bytes:
    """An IDX file of these values."""
    head = struct.pack(
        f">HBB{values.ndim}I", 0, _TYPES[values.dtype.name], values.ndim, *values.shape
    )
    return head + values.astype(values.dtype.newbyteorder(">")).tobytes()


def write(path: Path, values: npt.NDArray[np.generic]) -> Path:
    """Writes an IDX file, packed as its name says."""
    raw = content(values)
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


def pixels(*shape: int) -> npt.NDArray[np.uint8]:
    """Random samples."""
    return _RANDOM.integers(0, 256, shape, np.uint8)


def rows(source: Path, limit: int | None = None) -> list[dict[str, object]]:
    """All rows of a source."""
    opened = IdxSource(SourceOptions(str(source), limit))
    found = [row for wave in opened.waves() for row in wave.files.to_pylist()]
    assert opened.total == len(found)
    return found


@pytest.mark.parametrize("shape", [(7, 4, 5), (7, 4, 5, 1), (7, 4, 5, 3), (7, 4, 5, 4), (1, 1, 1)])
@pytest.mark.parametrize("packer", ["", ".gz"])
def test_items_decode_to_their_samples(tmp_path: Path, shape: tuple[int, ...], packer: str) -> None:
    images = pixels(*shape)
    labels = np.arange(shape[0], dtype=np.uint8)[::-1]
    dims = len(shape)
    path = write(tmp_path / f"train-images-idx{dims}-ubyte{packer}", images)
    write(tmp_path / f"train-labels-idx1-ubyte{packer}", labels)
    found = rows(path)
    for number, row in enumerate(found):
        assert row["uri"] == f"{path.name}#{number}"
        decoded = decode_image(row["data"], name=str(row["uri"]))  # type: ignore[arg-type]
        assert np.array_equal(decoded, images[number].reshape(*shape[1:3], -1))
        assert row["size"] == len(row["data"])  # type: ignore[arg-type]
    assert [row["class"] for row in found] == [str(label) for label in labels]
    assert {(row["split"], row["origin"]) for row in found} == {("train", "idx")}


@pytest.mark.parametrize(
    "labels",
    [np.array([-1, 127, 0], "int8"), np.array([-300, 5, 9], "int16"), np.array([70000] * 3)],
)
def test_labels_of_any_whole_numbers(tmp_path: Path, labels: npt.NDArray[np.generic]) -> None:
    small = labels if labels.dtype != np.int64 else labels.astype("int32")
    write(tmp_path / "x-labels.idx1", small)
    found = rows(write(tmp_path / "x-images.idx3", pixels(3, 2, 2)))
    assert [row["class"] for row in found] == [str(label) for label in labels]


@pytest.mark.parametrize(
    ("images", "labels", "split"),
    [
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "train"),
        ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte", "test"),
        (
            "emnist-letters-test-images-idx3-ubyte",
            "emnist-letters-test-labels-idx1-ubyte.gz",
            "test",
        ),
        ("X.idx3-ubyte", "X.idx1-ubyte", None),
        ("X.idx3-ubyte", "X-labels.idx1-ubyte", None),
        ("invert-images.idx3.gz", "labels.idx1.gz", None),
        ("VAL_images_idx3_uint8", "VAL_labels_idx1_int", "validation"),
        ("idx3", "labels-idx1", None),
        ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte", "train"),
    ],
)
def test_names_say_what_belongs_together(
    tmp_path: Path, images: str, labels: str, split: str | None
) -> None:
    path = write(tmp_path / images, pixels(2, 3, 3))
    write(tmp_path / labels, np.array([4, 2], np.uint8))
    assert is_idx(str(path))
    assert find_idx(str(tmp_path)) == [str(path)]
    found = rows(path)
    belongs = not (images.startswith("train") and labels.startswith("t10k"))
    assert [row["class"] for row in found] == (["4", "2"] if belongs else [None, None])
    assert {row["split"] for row in found} == {split}


def test_a_folder_of_several_files(tmp_path: Path) -> None:
    for name in ("train", "t10k"):
        write(tmp_path / f"{name}-images-idx3-ubyte.gz", pixels(5, 2, 2))
        write(tmp_path / f"{name}-labels-idx1-ubyte.gz", np.arange(5, dtype=np.uint8))
    write(tmp_path / "train-images-idx3-ubyte", pixels(5, 2, 2))  # unpacked beside it
    (tmp_path / "README").write_text("no image")
    source = IdxSource(SourceOptions(str(tmp_path)))
    assert source.total == 10
    assert source.skipped == {"packed copy of a plain IDX file": 1}
    found = rows(tmp_path)
    assert [row["split"] for row in found] == ["test"] * 5 + ["train"] * 5
    assert found[5]["uri"] == "train-images-idx3-ubyte#0"
    assert [row["uri"] for row in rows(tmp_path, 6)] == [row["uri"] for row in found[:6]]


def test_other_names_are_not_idx_files(tmp_path: Path) -> None:
    for name in ("x.png", "idx", "index3", "xidx3", "x.idx5", "x.idx3.png.zip", "train-images"):
        assert not is_idx(name)
    assert find_idx(str(tmp_path)) == []
    with pytest.raises(InputError, match="has no IDX files"):
        IdxSource(SourceOptions(str(tmp_path)))


def test_waves_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = pixels(1000, 3, 3)
    path = write(tmp_path / "x-images-idx3-ubyte", images)
    whole = rows(path)
    monkeypatch.setattr(idx, "WAVE_BYTES", 300)
    waves = list(IdxSource(SourceOptions(str(path))).waves())
    assert max(wave.bytes for wave in waves) <= 300
    assert len(waves) == 67
    assert [row for wave in waves for row in wave.files.to_pylist()] == whole


def test_memory_does_not_grow_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idx, "WAVE_BYTES", 1 << 20)
    path = write(tmp_path / "x-images-idx3-ubyte.gz", np.zeros((4000, 100, 100), np.uint8))
    source = IdxSource(SourceOptions(str(path)))
    tracemalloc.start()
    try:
        assert sum(wave.count or 0 for wave in source.waves()) == 4000
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not an IDX file: it begins with nothing"),
        (b"\x89PNG\r\n\x1a\n", "not an IDX file: it begins with 89 50 4e 47"),
        (b"\0\0\x07\x03", "not an IDX file"),
        (b"\0\0\x08\x03\0\0\0\x01", "ends within its header, after 8 bytes of 16"),
        (content(np.zeros((2, 3, 3), np.float32)), "expected images: bytes"),
        (content(np.zeros((2, 3), np.uint8)), "expected images: bytes"),
        (content(np.zeros((2, 3, 3, 2), np.uint8)), "with 2 channels"),
        (content(np.zeros((2, 0, 3), np.uint8)), "at least one pixel"),
        (struct.pack(">HBB3I", 0, 8, 3, 1, 1 << 31, 1 << 31), "up to 100,663,296 are read"),
    ],
)
def test_files_that_are_not_idx_images(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "x-images-idx3-ubyte"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=message):
        IdxSource(SourceOptions(str(path)))


def test_labels_must_be_as_many_as_images_and_whole_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "x-images-idx3-ubyte", pixels(3, 2, 2))
    labels = write(tmp_path / "x-labels-idx1-ubyte", np.zeros(4, np.uint8))
    with pytest.raises(InputError, match=f"{path} holds 3 images, but {labels} holds 4 labels"):
        IdxSource(SourceOptions(str(path)))
    with pytest.raises(InputError, match="expected images"):
        IdxSource(SourceOptions(str(labels)))
    write(labels, np.zeros(3, np.float32))
    with pytest.raises(InputError, match="expected labels: whole numbers"):
        IdxSource(SourceOptions(str(path)))


@pytest.mark.parametrize("packer", ["", ".gz"])
@pytest.mark.parametrize("cut", ["images", "labels"])
def test_a_cut_file_gives_what_is_whole(tmp_path: Path, packer: str, cut: str) -> None:
    images = pixels(2000, 2, 2)
    labels = np.arange(2000, dtype=np.int32) * 7919 % 1013
    paths = {
        "images": write(tmp_path / f"x-images-idx3-ubyte{packer}", images),
        "labels": write(tmp_path / f"x-labels-idx1-int{packer}", labels.astype(np.int32)),
    }
    raw = paths[cut].read_bytes()
    paths[cut].write_bytes(raw[: len(raw) // 2 + 1])
    found: list[dict[str, object]] = []
    waves = IdxSource(SourceOptions(str(paths["images"]))).waves()
    with pytest.raises(
        InputError, match=rf"{paths[cut]} is damaged after [\d,]+ of 2,000.*cut off"
    ):
        found.extend(row for wave in waves for row in wave.files.to_pylist())
    assert 300 < len(found) < 1500
    assert [row["class"] for row in found] == [str(label) for label in labels[: len(found)]]
    assert found[-1]["data"] == b"P5\n2 2\n255\n" + images[len(found) - 1].tobytes()


@pytest.mark.parametrize("packer", ["", ".gz"])
def test_more_than_the_header_says_is_reported(tmp_path: Path, packer: str) -> None:
    path = tmp_path / f"x-images-idx3-ubyte{packer}"
    raw = content(pixels(3, 2, 2)) + b"more"
    path.write_bytes(gzip.compress(raw) if packer else raw)
    waves = IdxSource(SourceOptions(str(path))).waves()
    assert next(waves).count == 3
    with pytest.raises(InputError, match="damaged at its end: there is more than its header says"):
        next(waves)
    assert len(rows(path, 2)) == 2


def test_mnist(data: Path) -> None:
    source = IdxSource(SourceOptions(str(data / "mnist")))
    assert source.total == 70_000
    first = next(source.waves())
    assert first.count == 10_000
    assert first.files["class"][:5].to_pylist() == ["7", "2", "1", "0", "4"]
    assert first.files["split"][0].as_py() == "test"
    assert decode_image(first.files["data"][0].as_py()).shape == (28, 28, 1)


def test_labels_for_all_images_of_a_folder(data: Path) -> None:
    found = rows(data / "shift", 4000)
    assert len(found) == 4000
    assert [row["class"] for row in found[:2000]] == [row["class"] for row in found[2000:]]
    assert None not in {row["class"] for row in found}
