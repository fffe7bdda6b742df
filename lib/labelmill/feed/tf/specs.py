"""Rows and batches as ``tf.TensorSpec``."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelmill.feed.maps.elements import map_arrays, mixed_error
from labelmill.feed.rows.pixels import PixelColumn
from labelmill.feed.rows.split import SplitRows
from labelmill.learning.runtime import import_tensorflow


def row_spec(rows: SplitRows) -> Any:
    """One row as ``tf.TensorSpec``: inputs and target without the batch's dimension."""
    pixels = (rows.images if rows.about.kind == "images" else None, rows.target)
    parts = [
        _image_spec(column) if isinstance(column, PixelColumn) else _specs(leaf, ())
        for column, leaf in zip(pixels, rows.take(np.zeros(1, np.int64)), strict=True)
        if leaf is not None
    ]
    return tuple(parts) if len(parts) > 1 else parts[0]


def batch_spec(row: Any, size: int | None) -> Any:
    """A batch as ``tf.TensorSpec``.

    Args:
        row: An element of one row.
        size: Rows of every batch; None: batches differ in size.

    Raises:
        InputError: Rows of mixed shapes.
    """
    return _specs(row, (size,))


def _specs(element: Any, before: tuple[int | None, ...]) -> Any:
    spec = import_tensorflow().TensorSpec
    return map_arrays(element, lambda leaf: spec((*before, *leaf.shape[1:]), _dtype(leaf)))


def _image_spec(column: PixelColumn) -> Any:
    sides = [
        only[0] if len(only) == 1 else None
        for only in ([*set(side)] for side in zip(*column.shapes, strict=True))
    ]
    if sides[3] is None:
        raise mixed_error("mixed dtypes")
    return import_tensorflow().TensorSpec(sides[:3], sides[3])


def _dtype(leaf: Any) -> Any:
    if isinstance(leaf, list):
        raise mixed_error("mixed shapes")
    tf = import_tensorflow()
    return tf.string if leaf.dtype == np.object_ else tf.as_dtype(leaf.dtype)
