"""Counter-based random numbers: each is a pure function of what it is for.

There is no generator with a state: a number follows from the seed, the epoch, the position in the
epoch's order and the map that draws. So augmentation is the same in one process and in eight, before
and after a resume, and with every version of numpy.

The bits are those of SplitMix64's finaliser (G. Steele, D. Lea, C. Flood, "Fast splittable
pseudorandom number generators", 2014), folded over the parts.
"""

from __future__ import annotations

import functools
import statistics
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = (1 << 64) - 1

Bits = npt.NDArray[np.uint64]


def key(*parts: int) -> int:
    """64 bits that follow from integers and their order.

    Example:
        >>> key(1, 2) == key(1, 2), key(1, 2) == key(2, 1)
        (True, False)
    """
    found = 0
    for part in parts:
        found = (found + (part & _MASK) + 1) * _GOLDEN & _MASK
        found = (found ^ (found >> 30)) * _FIRST & _MASK
        found = (found ^ (found >> 27)) * _SECOND & _MASK
        found ^= found >> 31
    return found


def bits(numbers: Bits, keyed: int | Bits) -> Bits:
    """64 random bits for each number.

    Args:
        numbers: What the bits are for, uint64 of any shape; not changed.
        keyed: A `key`, or one for each number: different keys give different bits.

    Returns:
        uint64, in the shape of ``numbers``.
    """
    found = numbers * np.uint64(_GOLDEN)
    found += np.uint64(keyed)
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        found ^= found >> np.uint64(shift)
        found *= np.uint64(factor)
    found ^= found >> np.uint64(31)
    return found


def below(found: Bits, size: int | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Integers 0 ≤ n < size from random bits, for one size or one of each.

    Sizes up to 2³²; a probability differs from 1 / size by 2⁻³² at most.
    """
    return ((found >> np.uint64(32)) * np.uint64(size) >> np.uint64(32)).astype(np.int64)


@dataclass(frozen=True)
class Draws:
    """Random numbers for the rows of a block, one per row and lane.

    Args:
        seed: Of the batches.
        epoch: From 0.
        positions: Of the rows in the epoch's order over all shards, uint64 ``(N,)``.
        of: Number of the map that draws, so that two flips in one chain are independent.

    Example:
        >>> draws = Draws(seed=1, epoch=0, positions=np.arange(4, dtype=np.uint64))
        >>> bool((draws.integers(lane=0, size=10) < 10).all())
        True
        >>> draws.normals(lane=0, count=3).shape
        (4, 3)
    """

    seed: int
    epoch: int
    positions: Bits
    of: int = 0

    def map(self, number: int) -> Draws:
        """Draws for the same rows and another map."""
        return replace(self, of=number)

    def rows(self, part: slice) -> Draws:
        """Draws for some of the rows."""
        return replace(self, positions=self.positions[part])

    def uniform(self, lane: int) -> npt.NDArray[np.float64]:
        """Uniform float64 ``(N,)``, 0 ≤ x < 1."""
        return (self._bits(lane) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def integers(self, lane: int, size: int) -> npt.NDArray[np.int64]:
        """Uniform int64 ``(N,)``, 0 ≤ n < size."""
        return below(self._bits(lane), size)

    def normals(self, lane: int, count: int) -> npt.NDArray[np.float32]:
        """Standard normal float32 ``(N, count)``, out of 65,536 equally likely values, so within ±4.3."""
        words = -(-count // 4)
        base = bits(self.positions, key(self.seed, self.epoch, self.of, lane))
        many = bits(
            np.add(base[:, None], np.arange(words, dtype=np.uint64), dtype=np.uint64), key(lane)
        )
        return np.take(_quantiles(), many.view(np.uint16)[:, :count])

    def _bits(self, lane: int) -> Bits:
        return bits(self.positions, key(self.seed, self.epoch, self.of, lane))


@functools.cache
def _quantiles() -> npt.NDArray[np.float32]:
    # A table: logarithm and cosine may differ in their last bit from machine to machine.
    normal = statistics.NormalDist()
    half = [normal.inv_cdf((number + 0.5) / 65536) for number in range(32768)]
    return np.array(half + [-x for x in reversed(half)], np.float32)
