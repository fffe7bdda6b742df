"""Sorted ids of images as numpy arrays, for fast lookups of many ids at a time."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

BY_ID_ROWS = 2_000
"""Images per request by id: the ids are sent with each request."""

DENSE = 0.25
"""From this share of a collection on, all of its images are read and the others dropped."""


class IdIndex:
    """Finds the positions of ids among sorted ones.

    Args:
        ids: Text, ascending, without duplicates.

    Example:
        >>> IdIndex(pa.array(["a", "b", "d"])).positions(pa.array(["d", "c", "a"])).tolist()
        [2, -1, 0]
    """

    def __init__(self, ids: pa.Array | pa.ChunkedArray) -> None:
        self._ids = _fixed(ids)

    @functools.cached_property
    def _heads(self) -> npt.NDArray[np.uint64]:
        return _heads(self._ids)

    def __len__(self) -> int:
        """Number of ids."""
        return len(self._ids)

    def positions(
        self, others: pa.Array, guess: npt.NDArray[np.int32] | None = None
    ) -> npt.NDArray[Any]:
        """Returns the position of each id, ``(N,)`` integers; -1 where it is not in the index.

        Args:
            others: Text.
            guess: Positions that are probably right: checking them is faster than searching.
        """
        wanted = _fixed(others)
        if not len(self._ids):
            return np.full(len(wanted), -1)
        if guess is not None and len(guess) == len(wanted) and self._all_at(guess, wanted):
            return guess
        # By their first eight letters, which is many times faster and nearly always enough for hashes.
        found = np.searchsorted(self._heads, _heads(wanted))
        found[found == len(self._ids)] = 0
        if self._all_at(found, wanted):
            return found.astype(np.int64, copy=False)
        other = np.flatnonzero(self._ids[found] != wanted)
        if len(other):
            again = np.searchsorted(self._ids, wanted[other])
            again[again == len(self._ids)] = 0
            found[other] = np.where(self._ids[again] == wanted[other], again, -1)
        return found.astype(np.int64, copy=False)

    def _all_at(self, positions: npt.NDArray[Any], wanted: npt.NDArray[np.bytes_]) -> bool:
        """Whether all ids are at these positions; only for ids of one width that fill words."""
        width = self._ids.dtype.itemsize
        if wanted.dtype.itemsize != width or width % 8:
            return False
        # Numpy compares text letter by letter. Here eight letters are read as one number; the result is
        # compared as bytes, because Kudu's buffer need not be aligned.
        own = np.take(
            self._ids.view(np.uint64).reshape(-1, width // 8), positions, axis=0, mode="clip"
        )
        return np.array_equal(own.view(np.uint8).reshape(-1), wanted.view(np.uint8))


def _heads(ids: npt.NDArray[np.bytes_]) -> npt.NDArray[np.uint64]:
    """Returns the first eight bytes of each id as a number that sorts alike."""
    width = ids.dtype.itemsize
    if width < 8:
        ids, width = ids.astype("S8"), 8
    words = ids.view(np.uint8).reshape(len(ids), width)[:, :8]
    return np.ascontiguousarray(words).view(">u8").reshape(-1).astype(np.uint64)


def _fixed(ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bytes_]:
    """Returns text as numpy bytes of one width: a view where all are equally long, as hashes are."""
    array = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    if not len(array):
        return np.zeros(0, "S1")
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset :][: len(array) + 1]
    width = int(offsets[1] - offsets[0])
    if width and (np.diff(offsets) == width).all():
        return np.frombuffer(array.buffers()[2], f"S{width}", len(array), int(offsets[0]))
    return np.array([text.encode() for text in array.to_pylist()], np.bytes_)
