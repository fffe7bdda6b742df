"""Where the arrays of many images lie and what shape they have."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.errors import InputError
from labelmill.training_sets.assembly.index import given_splits, shown_rows
from labelmill.training_sets.assembly.spool import Spool

_NUMBERS = ("height", "width", "channels")


class Cells:
    """Where the arrays of N images lie and what they are.

    Attributes:
        start: ``(N,)`` first byte in the spool; -1: not there.
        size: ``(N,)`` bytes.
        numbers: Height, width, channels: ``(N,)`` int32 each; -1: not known.
        dtype: ``(N,)`` place in `dtypes`; -1: not known.
        dtypes: Names.
        splits: ``(N,)`` places in ``SPLITS``, as the source gave them.
        found: ``(N,)`` whether the image is in the table at all.
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

    def put(self, places: npt.NDArray[np.int64], batch: pa.RecordBatch, spool: Spool) -> None:
        """Takes what a batch has of these images.

        Args:
            places: ``(len(batch),)``.
            batch: Any of ``height``, ``width``, ``channels``, ``dtype``, ``split``, ``pixels``.
            spool: Where pixels go.
        """
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            if name in _NUMBERS:
                self.numbers[name][places] = values.fill_null(-1).to_numpy(zero_copy_only=False)
            elif name == "dtype":
                self.dtype[places] = self._dtypes(values)
            elif name == "split":
                self.splits[places] = given_splits(pa.chunked_array([values]))
            elif name == "pixels":
                self._pixels(places, values, spool)

    def expected(self) -> npt.NDArray[np.int64]:
        """``(N,)`` bytes that arrays of these shapes have."""
        each = np.array([np.dtype(name).itemsize for name in self.dtypes] + [0], np.int64)
        size = each[self.dtype]
        for values in self.numbers.values():
            size = size * values
        return size

    def shape_text(self, place: int) -> str:
        """``28×28×1 uint8``."""
        height, width, channels = (int(self.numbers[name][place]) for name in _NUMBERS)
        return f"{height}×{width}×{channels} {self.dtypes[self.dtype[place]]}"

    def _pixels(self, places: npt.NDArray[np.int64], values: pa.Array, spool: Spool) -> None:
        if values.null_count:
            there = values.is_valid().to_numpy(zero_copy_only=False)
            places, values = places[there], values.drop_null()
        if not len(values):
            return
        ends = np.frombuffer(values.buffers()[1], np.int32)[values.offset :][: len(values) + 1]
        first, last = int(ends[0]), int(ends[-1])
        data = memoryview(values.buffers()[2] or b"")[first:last]
        begin = spool.add(data)
        self.start[places] = begin + (ends[:-1] - first)
        self.size[places] = np.diff(ends)

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


def refuse_shapeless(keys: pa.Table, places: npt.NDArray[np.int64], cells: Cells) -> None:
    """Raises InputError when an image has no height, width, channels or dtype; names it."""
    known: dict[str, npt.NDArray[Any]] = {**cells.numbers, "dtype": cells.dtype}
    for name, values in known.items():
        without = np.flatnonzero(values[places] < 0)
        if len(without):
            raise InputError(f"image {keys['image_id'][int(without[0])]} has no {name}")


def refuse_null(keys: pa.Table, places: npt.NDArray[np.int64], cells: Cells) -> None:
    """Raises InputError where the query's own pixels are null: others would not be what it made."""
    null = np.flatnonzero(cells.start[places] < 0)
    if len(null):
        raise InputError(
            f"the query's pixels are null for {len(null):,} of {len(keys):,} images: "
            f"{shown_rows(keys, 'image_id', null)}; large ones lie in image_chunks and come by "
            "themselves when the query leaves pixels out, or hands on those of images unchanged and not "
            "through a set operation"
        )


def refuse_unfit(keys: pa.Table, places: npt.NDArray[np.int64], cells: Cells) -> None:
    """Raises InputError when bytes and shape of an image do not agree; names it.

    Args:
        keys: ``image_id``.
        places: ``(len(keys),)`` which cell is whose.
        cells: With everything in it.
    """
    refuse_shapeless(keys, places, cells)
    wrong = np.flatnonzero((cells.size != cells.expected())[places])
    if len(wrong):
        row = int(wrong[0])
        size = int(cells.size[places[row]])
        raise InputError(unfit(keys["image_id"][row], int(places[row]), cells, size))


def unfit(image_id: object, place: int, cells: Cells, size: int) -> str:
    """What an error says of an image whose bytes are too many or too few."""
    return (
        f"image {image_id}: {size:,} bytes of pixels do not fit {cells.shape_text(place)}, which is "
        f"{int(cells.expected()[place]):,}; where a chunk is missing, ingest the image again"
    )


def _check_dtype(name: str) -> None:
    try:
        np.dtype(name)
    except TypeError:
        raise InputError(f"dtype {name!r} of an image; expected uint8 or uint16") from None
