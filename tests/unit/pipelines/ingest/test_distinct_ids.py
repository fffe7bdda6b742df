"""Distinct ids, counted on disk."""

from __future__ import annotations

import numpy as np

from labelmill.pipelines.ingest.distinct_ids import DistinctIds


def test_ids_are_counted_once_however_they_come() -> None:
    random = np.random.default_rng(0)
    ids = random.integers(0, 256, (20_000, 32), np.uint8)
    ids[:3] = 7
    ids[1, 31] = 1  # differs at the very end only
    with DistinctIds() as distinct:
        assert distinct.count() == 0
        for start in range(0, 20_000, 700):
            distinct.add(ids[start : start + 700].tobytes())
        assert distinct.count() == 19_999
        for _ in range(12):  # beyond what is held in memory
            distinct.add(ids.tobytes())
        distinct.add(b"")
        distinct.add(bytes(64))  # none
        assert distinct.count() == 19_999
        distinct.add(b"\xff" * 32)
        assert distinct.count() == 20_000
