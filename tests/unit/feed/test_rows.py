"""Pixels of Arrow batches as arrays, and the digest of rows."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.errors import InputError
from labelmill.feed.rows import digest_rows, images_of


def _batch(arrays: list[np.ndarray[Any, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [
            {
                "height": a.shape[0],
                "width": a.shape[1],
                "channels": a.shape[2],
                "dtype": a.dtype.name,
                "pixels": a.tobytes(),
            }
            for a in arrays
        ]
    )


def test_images_of_one_shape_are_one_array_also_from_a_slice() -> None:
    whole = np.random.default_rng(0).integers(0, 65536, (9, 3, 4, 2), np.uint16)
    batch = _batch(list(whole))
    for part, expected in (
        (batch, whole),
        (batch.slice(2, 5), whole[2:7]),
        (batch.slice(9), whole[9:]),
    ):
        found = images_of(part)
        assert len(found) == len(expected)
        if len(expected):
            assert isinstance(found, np.ndarray)
            assert (found == expected).all()


def test_images_of_mixed_shapes_are_a_list() -> None:
    arrays = [np.full((2, 3, 1), 7, np.uint8), np.full((3, 2, 1), 9, np.uint8)]
    for found, expected in zip(images_of(_batch(arrays)), arrays, strict=True):
        assert (found == expected).all()
        assert found.shape == expected.shape


def test_pixels_that_do_not_fit_are_named() -> None:
    batch = _batch([np.zeros((2, 2, 1), np.uint8)])
    short = batch.set_column(batch.schema.get_field_index("pixels"), "pixels", pa.array([b"abc"]))
    with pytest.raises(InputError, match="3 bytes of pixels do not fit 2×2×1 uint8"):
        images_of(short)
    missing = batch.set_column(
        batch.schema.get_field_index("pixels"), "pixels", pa.array([None], pa.binary())
    )
    with pytest.raises(InputError, match="chunks are missing"):
        images_of(missing)


def test_the_digest_keeps_values_apart() -> None:
    def digest(*rows: tuple[object, ...]) -> str:
        found = hashlib.sha256()
        digest_rows(found, rows)
        return found.hexdigest()

    different = [
        digest(("ab", "c")),
        digest(("a", "bc")),
        digest(("a",), ("bc",)),
        digest((b"ab", "c")),
        digest(("ab", "c"), ("", "")),
    ]
    # ("a",), ("bc",) is one row after the other: only a fixed number of columns tells rows apart.
    assert different[1] == different[2]
    assert len({different[0], different[1], different[3], different[4]}) == 4
