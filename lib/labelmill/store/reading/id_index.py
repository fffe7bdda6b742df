"""Ids of images as numpy sees them, and where some stand among others."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

BY_ID_ROWS = 2_000
"""Images that are asked for by id at once: their ids travel with each request."""

DENSE = 0.25
"""Share of a collection from which on all of its images are read and the others dropped."""


class Ids:
    """Ids in order, and where each of some others stands among them.

    Args:
        ids: Ascending, none twice; text.
    """

    def __init__(self, ids: pa.Array | pa.ChunkedArray) -> None:
        self._ids = _fixed(ids)

    @functools.cached_property
    def _heads(self) -> npt.NDArray[np.uint64]:
        return _heads(self._ids)

    def __len__(self) -> int:
        """How many."""
        return len(self._ids)

    def places(
        self, others: pa.Array, guess: npt.NDArray[np.int32] | None = None
    ) -> npt.NDArray[Any]:
        """``(N,)``: the place of each; -1 where it is none of these.

        Args:
            others: Text.
            guess: Places of these that may be theirs: to see that they are is faster than to search.
        """
        wanted = _fixed(others)
        if not len(self._ids):
            return np.full(len(wanted), -1)
        if guess is not None and len(guess) == len(wanted) and self._all_at(guess, wanted):
            return guess
        # By their first eight letters, which is many times faster and nearly always enough for hashes.
        places = np.searchsorted(self._heads, _heads(wanted))
        places[places == len(self._ids)] = 0
        if self._all_at(places, wanted):
            return places.astype(np.int64, copy=False)
        other = np.flatnonzero(self._ids[places] != wanted)
        if len(other):
            again = np.searchsorted(self._ids, wanted[other])
            again[again == len(self._ids)] = 0
            places[other] = np.where(self._ids[again] == wanted[other], again, -1)
        return places.astype(np.int64, copy=False)

    def _all_at(self, places: npt.NDArray[Any], wanted: npt.NDArray[np.bytes_]) -> bool:
        """Whether all of these are where they are expected; for ids of one width that fill words."""
        width = self._ids.dtype.itemsize
        if wanted.dtype.itemsize != width or width % 8:
            return False
        # Numpy compares text letter by letter, row by row; here eight letters are taken as a number, and
        # all of them are compared as bytes, because what Kudu sent begins anywhere.
        own = np.take(
            self._ids.view(np.uint64).reshape(-1, width // 8), places, axis=0, mode="clip"
        )
        return np.array_equal(own.view(np.uint8).reshape(-1), wanted.view(np.uint8))


def _heads(ids: npt.NDArray[np.bytes_]) -> npt.NDArray[np.uint64]:
    """The first eight bytes of each as a number, in the same order."""
    width = ids.dtype.itemsize
    if width < 8:
        ids, width = ids.astype("S8"), 8
    words = ids.view(np.uint8).reshape(len(ids), width)[:, :8]
    return np.ascontiguousarray(words).view(">u8").reshape(-1).astype(np.uint64)


def _fixed(ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bytes_]:
    """Text as numpy's bytes of one width; where all are as long (hashes are), a view."""
    array = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    if not len(array):
        return np.zeros(0, "S1")
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset :][: len(array) + 1]
    width = int(offsets[1] - offsets[0])
    if width and (np.diff(offsets) == width).all():
        return np.frombuffer(array.buffers()[2], f"S{width}", len(array), int(offsets[0]))
    return np.array([text.encode() for text in array.to_pylist()], np.bytes_)
