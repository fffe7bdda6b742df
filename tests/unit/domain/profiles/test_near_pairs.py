"""Near pairs: all of them, as brute force finds them, and bounded where there are too many."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.domain.profiles.near_pairs import (
    MOST_DISTANCE,
    MOST_PAIRS,
    WINDOW,
    band_keys,
    near_pairs,
)
from labelmill.errors import InputError

Keys = npt.NDArray[np.uint64]


def sorted_keys(hashes: Keys, distance: int) -> tuple[Keys, npt.NDArray[np.int64]]:
    keys = band_keys(hashes, distance)
    who = np.tile(np.arange(len(hashes)), len(keys))
    order = np.lexsort((who, hashes[who], keys.ravel()))
    return keys.ravel()[order], who[order]


@given(
    hash_=st.integers(0, 2**64 - 1),
    flips=st.lists(st.integers(0, 63), max_size=MOST_DISTANCE, unique=True),
)
def test_near_hashes_share_a_key(hash_: int, flips: list[int]) -> None:
    other = hash_
    for bit in flips:
        other ^= 1 << bit
    keys = band_keys(np.array([hash_, other], np.uint64), len(flips))
    assert (keys[:, 0] == keys[:, 1]).any()


def test_finds_what_brute_force_finds() -> None:
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**64, 400, np.uint64)
    for place in range(0, 400, 2):  # every second one gets a neighbour 0 to 7 bits away
        hashes[place + 1] = hashes[place]
        for bit in random.choice(64, place // 2 % 8, replace=False):
            hashes[place + 1] ^= np.uint64(1 << int(bit))
    outlines = random.integers(-99, 99, (200, 144)).astype(np.int8).repeat(2, axis=0)
    outlines[100:200:2] = -outlines[100:200:2]  # near hashes, but not alike
    keys, who = sorted_keys(hashes, 4)
    found = near_pairs(keys, hashes[who], outlines[who], 0, 4, 0.9)
    pairs = {tuple(sorted(pair)) for pair in zip(who[found.later], who[found.earlier], strict=True)}
    expected = set()
    for a in range(400):
        for b in range(a + 1, 400):
            same = (outlines[a] == outlines[b]).all()
            if same and int(hashes[a] ^ hashes[b]).bit_count() <= 4:
                expected.add((a, b))
    assert pairs == expected
    assert 80 < len(pairs) < 130
    assert (found.distance <= 4).all()
    assert found.likeness.min() >= 0.9
    assert found.skipped == 0


def test_a_run_across_two_calls_is_compared_as_in_one() -> None:
    hashes = np.full(30, 5, np.uint64)
    outlines = np.ones((30, 144), np.int8)
    keys = np.repeat(np.array([1, 2], np.uint64), 15)
    whole = near_pairs(keys, hashes, outlines, 0, 0, 0.5)
    first = near_pairs(keys[:20], hashes[:20], outlines[:20], 0, 0, 0.5)
    second = near_pairs(keys, hashes, outlines, 20, 0, 0.5)
    seen = [*zip(first.later, first.earlier, strict=True)]
    seen += zip(second.later, second.earlier, strict=True)
    assert sorted(seen) == sorted(zip(whole.later, whole.earlier, strict=True))
    assert not any(keys[a] != keys[b] for a, b in seen)


def test_a_crowd_costs_no_more_than_the_window() -> None:
    count = 3 * WINDOW
    keys = np.zeros(count, np.uint64)
    same = near_pairs(keys, keys, np.ones((count, 144), np.int8), 0, 0, 0.5)
    assert np.bincount(same.later).max() == MOST_PAIRS
    assert same.skipped == 0, "a copy that found copies misses nothing that matters"
    far = np.random.default_rng(0).integers(0, 2**64, count, np.uint64)
    none = near_pairs(keys, far, np.ones((count, 144), np.int8), 0, 4, 0.5)
    assert len(none.later) == 0
    assert none.skipped == count - WINDOW - 1


@pytest.mark.parametrize("distance", [-1, MOST_DISTANCE + 1])
def test_distance_has_bounds(distance: int) -> None:
    with pytest.raises(InputError, match="0 to 8 bits"):
        band_keys(np.zeros(1, np.uint64), distance)
