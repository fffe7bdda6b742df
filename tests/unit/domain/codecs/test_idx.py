"""Items of IDX files: images of all shapes, labels of one column and of several."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from labelmill.domain.codecs import idx
from labelmill.domain.codecs.netpbm.codec import decode_netpbm
from labelmill.errors import InputError

KINDS = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4"}


def header_of(kind: int, *shape: int) -> idx.IdxHeader:
    data = bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return idx.read_header(data, "x")


@pytest.mark.parametrize("shape", [(3, 2, 5), (3, 2, 5, 1), (3, 2, 5, 3), (3, 2, 5, 4)])
def test_each_item_becomes_an_image(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    header = header_of(0x08, *shape)
    files = idx.image_files(pixels.tobytes(), header, idx.image_header(header, "x"))
    assert len(files) == header.count == 3
    for file, image in zip(files, pixels, strict=True):
        assert np.array_equal(decode_netpbm(file), image.reshape(2, 5, -1))


@pytest.mark.parametrize("channels", [(), (3,)])
def test_rows_and_columns_are_exchanged(channels: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 2, 5, *channels), np.uint8)
    header = header_of(0x08, *pixels.shape)
    turned = np.frombuffer(idx.transposed(pixels.tobytes(), header), np.uint8)
    assert idx.turned(header).shape == (4, 5, 2, *channels)
    assert np.array_equal(turned.reshape(4, 5, 2, *channels), pixels.swapaxes(1, 2))


@pytest.mark.parametrize(("kind", "dtype"), KINDS.items())
def test_labels_are_whole_numbers_or_rows_of_them(kind: int, dtype: str) -> None:
    numbers = np.array([[7, 1], [0, 2], [-3 if dtype != "u1" else 255, 4]], dtype)
    one, several = header_of(kind, 3), header_of(kind, 3, 2)
    wanted = [str(int(n)) for n in numbers[:, 0]]
    assert idx.classes(np.ascontiguousarray(numbers[:, 0]).tobytes(), one) == wanted
    assert idx.classes(numbers.tobytes(), several) == wanted
    assert idx.rows(numbers.tobytes(), several).tolist() == numbers.tolist()
    idx.check_labels(one, "x")
    idx.check_labels(several, "x")


def test_what_is_no_images_or_labels_is_told() -> None:
    for shape in ((3, 0, 5), (3, 2, 5, 2)):
        with pytest.raises(InputError, match="expected at least one pixel"):
            idx.image_header(header_of(0x08, *shape), "x")
    for kind, shape in ((0x0D, (3, 2, 5)), (0x08, (3, 2))):
        with pytest.raises(InputError, match="expected images"):
            idx.image_header(header_of(kind, *shape), "x")
    for kind, shape in ((0x0D, (3,)), (0x08, (3, 2, 2)), (0x0C, (3, 0))):
        with pytest.raises(InputError, match="expected labels"):
            idx.check_labels(header_of(kind, *shape), "x")
    with pytest.raises(InputError, match="ends within its header"):
        idx.read_header(bytes([0, 0, 8, 3, 0, 0]), "x")
