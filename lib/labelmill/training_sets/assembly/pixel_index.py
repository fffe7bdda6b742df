"""Locations and shapes of the arrays of many images."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.errors import InputError
from labelmill.training_sets.assembly.index import given_splits, shown_rows
from labelmill.training_sets.assembly.spool import Spool

_NUMBERS = ("height", "width", "channels")


class PixelIndex:
    """Shape of each of N images and where its pixels are in a spool.

    Attributes:
        start: ``(N,)`` first byte in the spool; -1: not read.
        size: ``(N,)`` bytes.
        numbers: Height, width, channels: ``(N,)`` int32 each; -1: unknown.
        dtype: ``(N,)`` index into `dtypes`; -1: unknown.
        dtypes: Names.
        splits: ``(N,)`` indices into ``SPLITS``, as given by the source.
        found: ``(N,)`` whether the image exists in the table.
    """

    def __init__(self, rows: int) -> None:
        self.start = np.full(rows, -1, np.int64)
        self.size = np.zeros(rows, np.int64)
        self.numbers = {name: np.full(rows, -1, np.int32) for name in _NUMBERS}
        self.dtype = np.full(rows, -1, np.int8)
        self.dtypes: list[str] = []
        self.splits = np.full(rows, -1, np.int8)
        self.found = np.zeros(rows, np.bool_)
        self._lock = threading.Lock()

    def put(self, positions: npt.NDArray[np.int64], batch: pa.RecordBatch, spool: Spool) -> None:
        """Stores a batch of values of these images.

        Args:
            positions: ``(len(batch),)``.
            batch: Any of ``height``, ``width``, ``channels``, ``dtype``, ``split``, ``pixels``.
            spool: Receives the pixels.
        """
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            if name in _NUMBERS:
                self.numbers[name][positions] = values.fill_null(-1).to_numpy(zero_copy_only=False)
            elif name == "dtype":
                self.dtype[positions] = self._dtypes(values)
            elif name == "split":
                self.splits[positions] = given_splits(pa.chunked_array([values]))
            elif name == "pixels":
                self._pixels(positions, values, spool)

    def arrays(
        self, positions: npt.NDArray[np.int64], data: memoryview
    ) -> Iterator[npt.NDArray[Any]]:
        """The images at these positions, ``(H, W, C)`` each, one at a time and without a copy.

        Args:
            positions: ``(N,)`` positions of images that were read.
            data: Of the spool.
        """
        for at in positions.tolist():
            shape = tuple(int(self.numbers[name][at]) for name in _NUMBERS)
            kind = np.dtype(self.dtypes[self.dtype[at]]).newbyteorder("<")
            start, size = int(self.start[at]), int(self.size[at])
            yield np.frombuffer(data[start : start + size], kind).reshape(shape)

    def expected_sizes(self) -> npt.NDArray[np.int64]:
        """``(N,)`` bytes that arrays of these shapes take."""
        each = np.array([np.dtype(name).itemsize for name in self.dtypes] + [0], np.int64)
        size = each[self.dtype]
        for values in self.numbers.values():
            size = size * values
        return size

    def shape_text(self, position: int) -> str:
        """``28×28×1 uint8``."""
        height, width, channels = (int(self.numbers[name][position]) for name in _NUMBERS)
        return f"{height}×{width}×{channels} {self.dtypes[self.dtype[position]]}"

    def _pixels(self, positions: npt.NDArray[np.int64], values: pa.Array, spool: Spool) -> None:
        if values.null_count:
            there = values.is_valid().to_numpy(zero_copy_only=False)
            positions, values = positions[there], values.drop_null()
        if not len(values):
            return
        ends = np.frombuffer(values.buffers()[1], np.int32)[values.offset :][: len(values) + 1]
        first, last = int(ends[0]), int(ends[-1])
        data = memoryview(values.buffers()[2] or b"")[first:last]
        begin = spool.add(data)
        self.start[positions] = begin + (ends[:-1] - first)
        self.size[positions] = np.diff(ends)

    def _dtypes(self, values: pa.Array) -> npt.NDArray[np.int8]:
        encoded = values.dictionary_encode()
        own = []
        with self._lock:
            for name in encoded.dictionary.to_pylist():
                if name not in self.dtypes:
                    _check_dtype(name)
                    self.dtypes.append(name)
                own.append(self.dtypes.index(name))
        codes = encoded.indices.fill_null(len(own)).to_numpy(zero_copy_only=False)
        found: npt.NDArray[np.int8] = np.array([*own, -1], np.int8)[codes]
        return found


def refuse_shapeless(keys: pa.Table, positions: npt.NDArray[np.int64], index: PixelIndex) -> None:
    """Raises InputError when an image has no height, width, channels or dtype; names it."""
    known: dict[str, npt.NDArray[Any]] = {**index.numbers, "dtype": index.dtype}
    for name, values in known.items():
        without = np.flatnonzero(values[positions] < 0)
        if len(without):
            raise InputError(f"image {keys['image_id'][int(without[0])]} has no {name}")


def refuse_null_pixels(keys: pa.Table, positions: npt.NDArray[np.int64], index: PixelIndex) -> None:
    """Raises InputError where the query's own pixels are null.

    Stored pixels in their place would not be what the query computed.
    """
    null = np.flatnonzero(index.start[positions] < 0)
    if len(null):
        raise InputError(
            f"the query's pixels are null for {len(null):,} of {len(keys):,} images: "
            f"{shown_rows(keys, 'image_id', null)}; large images are stored in image_chunks and are read "
            "automatically when the query omits pixels, or passes on those of images unchanged and not "
            "through a set operation"
        )


def refuse_size_mismatch(
    keys: pa.Table, positions: npt.NDArray[np.int64], index: PixelIndex
) -> None:
    """Raises InputError when the bytes of an image do not match its shape; names the image.

    Args:
        keys: ``image_id``.
        positions: ``(len(keys),)`` row of each key in the index.
        index: Complete.
    """
    refuse_shapeless(keys, positions, index)
    wrong = np.flatnonzero((index.size != index.expected_sizes())[positions])
    if len(wrong):
        row = int(wrong[0])
        size = int(index.size[positions[row]])
        raise InputError(size_mismatch(keys["image_id"][row], int(positions[row]), index, size))


def size_mismatch(image_id: object, position: int, index: PixelIndex, size: int) -> str:
    """Error text for an image with too many or too few bytes."""
    return (
        f"image {image_id}: {size:,} bytes of pixels do not fit {index.shape_text(position)}, which is "
        f"{int(index.expected_sizes()[position]):,}; where a chunk is missing, ingest the image again"
    )


def _check_dtype(name: str) -> None:
    try:
        np.dtype(name)
    except TypeError:
        raise InputError(f"dtype {name!r} of an image; expected uint8 or uint16") from None
