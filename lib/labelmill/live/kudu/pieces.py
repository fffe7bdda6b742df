"""Divides rows into pieces of about equal size, which become the units of a plan."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Piece(NamedTuple):
    """Rows of one collection that are read together.

    Args:
        collection: Number of the collection.
        start: First row.
        stop: Row after the last.
    """

    collection: int
    start: int
    stop: int


def divide(
    sizes: npt.NDArray[np.int64], most: int, rows: int | None = None
) -> Iterator[tuple[int, int]]:
    """Divides rows into pieces of about equal size; yields begin and end of each.

    Args:
        sizes: Bytes of each row.
        most: Most bytes of a piece, about: it may have one row more.
        rows: Most rows of a piece.

    Example:
        >>> list(divide(np.array([10, 10, 10, 10, 10]), most=30))
        [(0, 3), (3, 5)]
        >>> list(divide(np.array([10, 10, 10, 10, 10]), most=1000, rows=2))
        [(0, 1), (1, 3), (3, 5)]
    """
    upto = np.cumsum(sizes)
    pieces = max(1, -(-int(upto[-1]) // most))
    ends = np.searchsorted(upto, upto[-1] * np.arange(1, pieces + 1) / pieces) + 1
    start = 0
    for end in np.unique(ends).tolist():
        own = 1 if rows is None else -(-(end - start) // rows)
        inner = np.linspace(start, end, own + 1).astype(int).tolist()
        yield from itertools.pairwise(inner)
        start = end


def halve_largest(pieces: Sequence[Piece], sizes: npt.NDArray[np.int64], count: int) -> list[Piece]:
    """Halves the largest pieces until there are at least `count`.

    Args:
        pieces: In the order of rows.
        sizes: Bytes of each row.
        count: Number of pieces needed; at most the number of rows.

    Example:
        >>> halve_largest([Piece(0, 0, 4)], np.ones(4, np.int64), 2)
        [Piece(collection=0, start=0, stop=2), Piece(collection=0, start=2, stop=4)]
    """
    waiting = [(-int(sizes[p.start : p.stop].sum()), p) for p in pieces]
    heapq.heapify(waiting)
    # Pieces of a single row, which cannot be halved.
    single: list[Piece] = []
    while waiting and len(waiting) + len(single) < count:
        _, piece = heapq.heappop(waiting)
        middle = (piece.start + piece.stop) // 2
        if middle == piece.start:
            single.append(piece)
            continue
        for half in (piece._replace(stop=middle), piece._replace(start=middle)):
            heapq.heappush(waiting, (-int(sizes[half.start : half.stop].sum()), half))
    return sorted([*single, *(piece for _, piece in waiting)], key=lambda piece: piece.start)
