"""How many rows a driver sends at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

FLUSH_ROWS = 1000
FLUSH_BYTES = 4 << 20
"""Bounds of one flush: the Java session counts rows only, and the server refuses frames above
50 MiB. Data that is copied several times should stay in the processor's cache: 8 MiB took an eighth
more time, in client and server alike."""


def flushes(rows: Sequence[Mapping[str, object]]) -> Iterator[Sequence[Mapping[str, object]]]:
    """Cuts checked rows where `FLUSH_ROWS` or `FLUSH_BYTES` is reached, whichever comes first."""
    start = size = 0
    for i, row in enumerate(rows):
        more = sum(len(v) if isinstance(v, (bytes, str)) else 8 for v in row.values())
        if i > start and (i - start >= FLUSH_ROWS or size + more > FLUSH_BYTES):
            yield rows[start:i]
            start, size = i, 0
        size += more
    yield rows[start:]


def cuts(sizes: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yields begin and end of each flush of rows of these sizes in bytes; the same bounds."""
    totals = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = int(totals[start - 1]) if start else 0
        fits = int(np.searchsorted(totals, before + FLUSH_BYTES, side="right"))
        end = min(max(fits, start + 1), start + FLUSH_ROWS, len(sizes))
        yield start, end
        start = end
