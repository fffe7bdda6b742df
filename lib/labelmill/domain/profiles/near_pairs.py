"""Pairs of images whose hashes are near, without comparing all with all.

Two hashes that differ in at most d bits agree in at least two of d + 2 bands of their bits (the
pigeonhole principle; Manku, Jain, Das Sarma, "Detecting Near-Duplicates for Web Crawling", 2007).
So every image gets one key for each two bands; images are sorted by key, and only images that share
a key are compared. A key that very many images share is a run of which each image is compared with
the `WINDOW` before it: time and memory stay bounded whatever the images are.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from labelmill.domain.profiles.perceptual_hash import hamming, likeness
from labelmill.errors import InputError

MOST_DISTANCE = 8
"""Beyond it the bands get so short that everything shares a key with everything."""

WINDOW = 256
"""Images of a run that each image is compared with."""

MOST_PAIRS = 8
"""Pairs found per image and key: a cluster of a thousand copies needs no half a million pairs."""

Keys = npt.NDArray[np.uint64]


class NearPairs(NamedTuple):
    """What `near_pairs` found.

    Args:
        later: ``(P,)`` position of one image.
        earlier: ``(P,)`` position of the other.
        distance: ``(P,)`` bits in which they differ.
        likeness: ``(P,)`` cosine of their outlines.
        skipped: Images without a pair in a run so long that not all of it was compared with them.
    """

    later: npt.NDArray[np.int64]
    earlier: npt.NDArray[np.int64]
    distance: npt.NDArray[np.int64]
    likeness: npt.NDArray[np.float64]
    skipped: int


def band_keys(hashes: Keys, distance: int) -> Keys:
    """Keys of which two hashes share one at least when they differ in at most ``distance`` bits.

    Args:
        hashes: ``(N,)``.
        distance: 0..8.

    Returns:
        ``(K, N)``; K is 1, 3, 6, 10, 15 … for distance 0, 1, 2, 3, 4 …. A key may appear in two rows; that is
        very rare and costs one comparison.

    Raises:
        InputError: A distance out of range.
    """
    if not 0 <= distance <= MOST_DISTANCE:
        raise InputError(f"expected a distance of 0 to {MOST_DISTANCE} bits, received {distance}")
    count = distance + 2
    cuts = [64 * band // count for band in range(count + 1)]
    masks = [_ones(low, high) for low, high in pairwise(cuts)]
    pairs = list(combinations(masks, 2))
    if len(pairs) == 1:
        return hashes[None, :]
    # Two bands leave some bits of the hash unused; the number of the pair goes into a mix of both.
    return np.stack([_mixed(hashes & np.uint64(a | b), i) for i, (a, b) in enumerate(pairs)])


def near_pairs(
    keys: Keys,
    hashes: Keys,
    outlines: npt.NDArray[np.int8],
    fresh: int,
    distance: int,
    least: float,
) -> NearPairs:
    """Near pairs among images that are sorted by key.

    Args:
        keys: ``(N,)``, equal ones next to each other.
        hashes: ``(N,)``.
        outlines: ``(N, 144)``.
        fresh: Images before this position were the later one of a pair in an earlier call; give the
            last `WINDOW` of them again.
        distance: Most bits that hashes may differ in.
        least: Least likeness, 0..1.
    """
    found = np.zeros(len(keys), np.int64)
    parts: list[tuple[npt.NDArray[Any], ...]] = []
    later = np.arange(fresh, len(keys))
    for step in range(1, WINDOW + 1):
        # Keys are sorted: one that differs from its predecessor `step` before differs from all earlier ones.
        later = later[(later >= step) & (found[later] < MOST_PAIRS)]
        later = later[keys[later] == keys[later - step]]
        if not later.size:
            break
        bits = hamming(hashes[later], hashes[later - step])
        near = bits <= distance
        there = later[near]
        alike = likeness(outlines[there], outlines[there - step])
        good = alike >= least
        there = there[good]
        found[there] += 1
        parts.append((there, there - step, bits[near][good].astype(np.int64), alike[good]))
    beyond = later[later > WINDOW]
    beyond = beyond[found[beyond] == 0]
    skipped = int((keys[beyond] == keys[beyond - WINDOW - 1]).sum())
    if not parts:
        none = np.zeros(0, np.int64)
        return NearPairs(none, none, none, np.zeros(0), skipped)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return NearPairs(columns[0], columns[1], columns[2], columns[3], skipped)


def _ones(low: int, high: int) -> int:
    return ((1 << high) - 1) ^ ((1 << low) - 1)


def _mixed(values: Keys, number: int) -> Keys:
    """A permutation of 64-bit numbers, another one for each number.

    The finaliser of SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number
    Generators", 2014) after an odd constant per pair: within a pair of bands no two values meet.
    """
    with np.errstate(over="ignore"):
        mixed = values + np.uint64((number + 1) * 0x9E3779B97F4A7C15 & (1 << 64) - 1)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))
