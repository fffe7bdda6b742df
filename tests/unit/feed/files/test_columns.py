"""Pixels of Arrow batches as arrays, and which columns there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.errors import InputError
from labelmill.feed.files.columns import (
    About,
    about_of,
    columns_of,
    feature_type,
    images_of,
    masks_of,
    with_about,
)


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


def test_masks_have_height_and_width_of_their_images() -> None:
    masks = np.random.default_rng(1).integers(0, 2, (3, 4, 5, 1), np.uint8)
    batch = pa.RecordBatch.from_pylist([
        {"height": 4, "width": 5, "mask_channels": 1, "mask_dtype": "uint8", "mask": m.tobytes()}
        for m in masks
    ])  # fmt: skip
    assert (np.asarray(masks_of(batch)) == masks).all()


def test_columns_follow_kind_and_target() -> None:
    images = columns_of("images", "class").names
    assert images[:3] == ["collection", "image_id", "split"]
    assert images[-2:] == ["pixels", "class"]
    assert columns_of("images", "mask").names[-1] == "mask"
    features = pa.schema([("age", pa.int32()), ("job", pa.string())])
    names = ["collection", "record_id", "split", "classes", "age", "job"]
    assert columns_of("records", "classes", features).names == names
    assert columns_of("records", "none", features).names == [*names[:3], "age", "job"]
    with pytest.raises(InputError, match="records have no masks"):
        columns_of("records", "mask")
    with pytest.raises(InputError, match="features belong to records"):
        columns_of("images", "class", features)


def test_features_keep_their_type_where_it_can_be_kept() -> None:
    for kept in (pa.string(), pa.bool_(), pa.int8(), pa.int64(), pa.float32(), pa.binary()):
        assert feature_type("x", kept) == kept
    assert feature_type("x", pa.timestamp("ns", "Europe/Berlin")) == pa.timestamp("us", "UTC")
    for refused in (pa.list_(pa.int32()), pa.decimal128(9, 2), pa.date32()):
        with pytest.raises(InputError, match=r"'age' is .*cast\(age as double\)"):
            feature_type("age", refused)


def test_a_shards_metadata_survives_a_round_trip() -> None:
    about = About("images", "classes", ["b", "a"])
    assert about_of(with_about(columns_of("images", "classes"), about)) == about
    with pytest.raises(InputError, match=r"has no labelmill\.kind; freeze the slice again"):
        about_of(pa.schema([], {"labelmill.classes": "[]"}))
