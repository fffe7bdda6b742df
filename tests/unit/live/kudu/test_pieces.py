"""Rows divided into pieces of about equal size."""

from __future__ import annotations

import numpy as np
import pytest

from labelmill.live.kudu.pieces import Piece, divide, halve_largest


@pytest.mark.parametrize(
    ("sizes", "most", "rows", "pieces"),
    [
        ([10] * 10, 30, None, [3, 2, 3, 2]),
        ([10] * 10, 20, None, [2, 2, 2, 2, 2]),
        ([10] * 10, 1000, None, [10]),
        ([10] * 10, 1000, 4, [3, 3, 4]),
        ([5, 500, 5], 10, None, [2, 1]),
        ([1], 1, None, [1]),
    ],
)
def test_pieces_are_about_equally_large(
    sizes: list[int], most: int, rows: int | None, pieces: list[int]
) -> None:
    found = list(divide(np.array(sizes), most, rows))
    assert [stop - start for start, stop in found] == pieces
    assert [n for start, stop in found for n in range(start, stop)] == list(range(len(sizes)))


def test_the_largest_pieces_are_halved_until_there_is_one_for_each_process() -> None:
    dice = np.random.default_rng(0)
    for rows, count in [(24, 8), (200, 64), (9, 9), (5, 1)]:
        sizes = dice.lognormal(12, 1, rows).astype(np.int64)
        most = max(1, int(sizes.sum()) // count)
        pieces = [
            Piece(number, first + start, first + stop)
            for number, (first, last) in enumerate([(0, rows // 3), (rows // 3, rows)])
            for start, stop in divide(sizes[first:last], most)
        ]
        found = halve_largest(pieces, sizes, count)
        assert len(found) >= count
        assert [n for p in found for n in range(p.start, p.stop)] == list(range(rows))
        assert all((p.stop <= rows // 3) == (p.collection == 0) for p in found)
        assert min(p.stop - p.start for p in found) > 0
    assert halve_largest([Piece(0, 0, 8), Piece(0, 8, 9)], np.ones(9, np.int64), 3) == [
        Piece(0, 0, 4),
        Piece(0, 4, 8),
        Piece(0, 8, 9),
    ]
