"""Rows that are kept: equally many per class when balanced, and the same ones each time."""

from __future__ import annotations

import numpy as np

from labelmill.domain.splits.balance import downsample
from labelmill.domain.splits.hashing import SPLITS, TEST, TRAIN, positions_of

RANDOM = np.random.default_rng(0)
SPLIT = RANDOM.integers(0, 3, 3_000).astype(np.int8)
CLASS = RANDOM.choice(4, 3_000, p=[0.5, 0.3, 0.15, 0.05]).astype(np.int32)
POSITIONS = positions_of(str(n) for n in range(3_000))


def _counts(stays: np.ndarray[tuple[int], np.dtype[np.bool_]], split: int) -> list[int]:
    return [int(np.count_nonzero(stays & (split == SPLIT) & (c == CLASS))) for c in range(4)]


def test_balance_cuts_train_down_to_its_smallest_class() -> None:
    everything = np.ones(3_000, bool)
    smallest = min(_counts(everything, TRAIN))
    stays = downsample(SPLIT, CLASS, POSITIONS, balance=True)
    assert _counts(stays, TRAIN) == [smallest] * 4
    assert _counts(stays, TEST) == _counts(everything, TEST)


def test_a_limit_holds_in_every_split_and_goes_before_balance() -> None:
    stays = downsample(SPLIT, CLASS, POSITIONS, limit=60)
    for split in range(len(SPLITS)):
        assert _counts(stays, split) == [min(60, n) for n in _counts(np.ones(3_000, bool), split)]
    smaller = downsample(SPLIT, CLASS, POSITIONS, limit=20, balance=True)
    assert _counts(smaller, TRAIN) == [20] * 4
    assert (stays | ~smaller).all(), "who stays among 20 stays among 60"


def test_who_stays_does_not_depend_on_the_order_of_rows() -> None:
    shuffled = RANDOM.permutation(3_000)
    stays = downsample(SPLIT, CLASS, POSITIONS, limit=7, balance=True)
    again = downsample(SPLIT[shuffled], CLASS[shuffled], POSITIONS[shuffled], limit=7, balance=True)
    assert (stays[shuffled] == again).all()


def test_no_rows_and_no_train_rows() -> None:
    empty = downsample(SPLIT[:0], CLASS[:0], POSITIONS[:0], balance=True)
    assert empty.tolist() == []
    tests = np.zeros(5, np.int8)
    assert downsample(tests, CLASS[:5], POSITIONS[:5], balance=True).all()
