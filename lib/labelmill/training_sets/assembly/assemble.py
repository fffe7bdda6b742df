"""Assembles the rows of a training set from an index and from pixels in a spool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.domain.splits.hashing import SPLITS
from labelmill.feed.files.columns import SHAPE, About
from labelmill.training_sets.assembly.pixel_index import PixelIndex
from labelmill.training_sets.assembly.spool import Spool
from labelmill.training_sets.histogram import histogram
from labelmill.training_sets.writer import Rows

_MASK = {"mask": "pixels", "mask_channels": "channels", "mask_dtype": "dtype"}


@dataclass(frozen=True)
class ArrayColumn:
    """An array column: pixels of images or of masks.

    Attributes:
        index: Shapes and locations of the arrays.
        positions: ``(N,)`` position in `index` of each row's array.
    """

    index: PixelIndex
    positions: npt.NDArray[np.int64]

    def column(self, name: str, start: int, stop: int, data: memoryview) -> pa.Array:
        """Values of rows from, to.

        Args:
            name: ``pixels``, ``dtype`` or a number of the shape.
            start: First row.
            stop: The row after the last.
            data: Of the spool.
        """
        positions, index = self.positions[start:stop], self.index
        if name == "dtype":
            names = pa.array(index.dtypes, pa.string())
            return names.take(pa.array(index.dtype[positions]))
        if name != "pixels":
            return pa.array(index.numbers[name][positions])
        sizes, starts = index.size[positions], index.start[positions]
        ends = np.zeros(len(positions) + 1, np.int32)
        np.cumsum(sizes, out=ends[1:])
        return pa.BinaryArray.from_buffers(
            pa.binary(),
            len(positions),
            [None, pa.py_buffer(ends), pa.py_buffer(_joined(data, starts, sizes))],
        )


def _joined(
    data: memoryview, starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]
) -> bytes | npt.NDArray[np.uint8]:
    """Concatenates pieces of the spool."""
    size = int(sizes[0]) if len(sizes) else 0
    if size and (sizes == size).all() and not (starts % size).any():
        # Images of one shape are rows of a matrix: no object per image is needed.
        whole = np.frombuffer(data, np.uint8, len(data) // size * size).reshape(-1, size)
        return whole.take(starts // size, axis=0)
    stops = (starts + sizes).tolist()
    return b"".join([data[a:b] for a, b in zip(starts.tolist(), stops, strict=True)])


def assemble_rows(
    index: pa.Table,
    order: npt.NDArray[np.int64],
    columns: pa.Schema,
    about: About,
    splits: npt.NDArray[np.int8],
    arrays: Mapping[str, ArrayColumn],
    spool: Spool,
) -> Rows:
    """Assembles the rows to be written.

    Args:
        index: Every column that is not in `arrays` or ``split``.
        order: ``(N,)`` rows of the index in the order of the training set.
        columns: Of a frozen row.
        about: Kind, target, classes.
        splits: ``(N,)`` indices into ``SPLITS``.
        arrays: ``pixels`` and ``mask``, where present.
        spool: Holds their bytes.
    """
    data = spool.view()
    named = pa.array(SPLITS, pa.string())

    def value(name: str, start: int, stop: int) -> pa.Array:
        if name == "split":
            return named.take(pa.array(splits[start:stop]))
        if name in _MASK and "mask" in arrays:
            return arrays["mask"].column(_MASK[name], start, stop, data)
        if "pixels" in arrays and (name in SHAPE or name == "pixels"):
            return arrays["pixels"].column(name, start, stop, data)
        part = index[name].take(pa.array(order[start:stop])).combine_chunks()
        return (
            part if part.type == columns.field(name).type else part.cast(columns.field(name).type)
        )

    def batch(start: int, stop: int) -> pa.RecordBatch:
        values = [value(name, start, stop) for name in columns.names]
        return pa.RecordBatch.from_arrays(values, schema=columns)

    sizes = np.full(len(splits), index.nbytes // max(1, len(index)), np.int64)
    for one in arrays.values():
        sizes += one.index.size[one.positions]
    targets = index.select([n for n in (about.target,) if n in index.column_names])
    counts = histogram(targets.take(pa.array(order)), about.target, splits)
    return Rows(columns, about, splits, sizes, counts, batch)
