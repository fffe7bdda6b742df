"""The images or masks of a split, gathered by row numbers from the memory map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.array_pool import empty
from labelmill.domain.images.image import from_bytes
from labelmill.errors import InputError
from labelmill.feed.files.columns import SHAPE, Images, images_of, masks_of
from labelmill.feed.order.permutation import RowIndex

_LARGE = 4096
"""Bytes of an image above which copying it costs more than a step in Python."""

_IN_CACHE = 2 << 20
"""Bytes of images gathered at a time: they fit into the last-level cache."""

_OF_A_SHARD = 64
"""Rows gathered at a time per shard, at least, on average."""

_MASK_SHAPE = ("height", "width", "mask_channels", "mask_dtype")


class ShapeOf(NamedTuple):
    """Shape and dtype of one image."""

    height: int
    width: int
    channels: int
    dtype: str

    def __str__(self) -> str:
        return f"{self.height}×{self.width}×{self.channels} {self.dtype}"


def _take(images: npt.NDArray[Any], rows: RowIndex, out: npt.NDArray[Any]) -> None:
    # "clip" because "raise" copies by way of a buffer; rows are within bounds.
    np.take(images, rows, axis=0, out=out, mode="clip")


def by_shard(starts: RowIndex, rows: RowIndex) -> Iterator[tuple[int, RowIndex, RowIndex]]:
    """Groups rows by the shard that they are in.

    Args:
        starts: The number of each shard's first row, and at the end the number of all rows.
        rows: Rows of the split.

    Yields:
        The number of a shard, the positions in `rows` of its rows, and their numbers within it.
    """
    # 16 bits where they suffice: numpy sorts those by radix.
    kind = np.uint16 if len(starts) <= 1 << 16 else np.int64
    shards = (np.searchsorted(starts, rows, "right") - 1).astype(kind)
    order = np.argsort(shards, kind="stable")
    sorted_ = shards[order]
    within = rows[order] - starts[sorted_]
    edges = [*(np.flatnonzero(np.diff(sorted_)) + 1).tolist(), len(rows)]
    begin = 0
    for end in edges if len(rows) else ():
        yield int(sorted_[begin]), order[begin:end], within[begin:end]
        begin = end


class PixelColumn:
    """The images, or the masks, of a split, over its shards.

    Args:
        batches: Record batches, one per shard, in order.
        masks: The masks instead of the images.

    Attributes:
        shapes: Distinct shapes, each with the first row that has it.
    """

    def __init__(self, batches: Sequence[pa.RecordBatch], masks: bool = False) -> None:
        self._starts = np.cumsum([0, *(len(batch) for batch in batches)])
        self._data, self._names = ("mask", _MASK_SHAPE) if masks else ("pixels", SHAPE)
        self._batches = batches
        self.shapes = self._distinct()
        self._whole: list[npt.NDArray[Any]] = []
        if len(self.shapes) == 1:
            found = [(masks_of if masks else images_of)(batch) for batch in batches]
            # A list means pixels that do not fit their shape; `_one` names them when they are read.
            self._whole = [a for a in found if isinstance(a, np.ndarray)]

    def take(self, rows: RowIndex) -> Images:
        """The images of rows, in the order given.

        Returns:
            ``(N, H, W, C)``, a copy, where the column is of one shape; else a list of ``(H, W, C)``,
            views of the memory map.

        Raises:
            InputError: Pixels that do not fit their shape.
        """
        if len(self._whole) < len(self._batches):
            return [self._one(int(row)) for row in rows]
        out = empty((len(rows), *self._whole[0].shape[1:]), self._whole[0].dtype)
        if len(self._whole) == 1:
            _take(self._whole[0], rows, out)
        elif out[:1].nbytes < _LARGE:
            self._gather(rows, out)
        else:
            for number, of, within in by_shard(self._starts, rows):
                for position, row in zip(of.tolist(), within.tolist(), strict=True):
                    out[position] = self._whole[number][row]
        return out

    def _gather(self, rows: RowIndex, out: npt.NDArray[Any]) -> None:
        """Copies small images shard by shard, then reorders them: cheaper than assigning by index."""
        step = max(_IN_CACHE // max(1, out[:1].nbytes), _OF_A_SHARD * len(self._whole))
        buffer = empty((min(step, len(rows)), *out.shape[1:]), out.dtype)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            # The position of each row in the buffer, which holds the shards' rows one after the other.
            at = np.empty(len(part), np.int64)
            filled = 0
            for number, of, within in by_shard(self._starts, part):
                _take(self._whole[number], within, buffer[filled : filled + len(of)])
                at[of] = np.arange(filled, filled + len(of))
                filled += len(of)
            _take(buffer, at, out[start : start + len(part)])

    def _one(self, row: int) -> npt.NDArray[Any]:
        shard = int(np.searchsorted(self._starts, row, "right")) - 1
        batch, number = self._batches[shard], row - int(self._starts[shard])
        height, width, channels, dtype = (batch.column(n)[number].as_py() for n in self._names)
        data = batch.column(self._data)[number].as_buffer()
        if data is None:
            raise InputError("an image without pixels: its chunks are missing; ingest it again")
        return from_bytes(memoryview(data), (height, width, channels), dtype)

    def _distinct(self) -> dict[ShapeOf, int]:
        """Distinct shapes, each with the first row that has it."""
        found: dict[ShapeOf, int] = {}
        for start, batch in zip(self._starts, self._batches, strict=False):
            columns = [batch.column(name) for name in self._names]
            if all(len(column.unique()) == 1 for column in columns):
                found.setdefault(ShapeOf(*(column[0].as_py() for column in columns)), int(start))
                continue
            numbered = [column.dictionary_encode().indices.to_numpy() for column in columns]
            _, firsts = np.unique(np.stack(numbered), axis=1, return_index=True)
            for first in firsts:
                shape = ShapeOf(*(column[int(first)].as_py() for column in columns))
                found.setdefault(shape, int(start) + int(first))
        return found


def other_size(
    mask_id: object, mask: object, image_id: object, image: object, wrong: int
) -> InputError:
    """The error for masks whose height and width differ from those of their images.

    Args:
        mask_id: Of one of them.
        mask: Its shape, as text.
        image_id: Of its image.
        image: The image's shape.
        wrong: Number of such masks.
    """
    return InputError(
        f"the mask {mask_id} is {mask}, its image {image_id} is {image}; "
        f"a mask is as high and wide as its image ({wrong:,} are not)"
    )
