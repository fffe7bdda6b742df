"""The order of rows: a pure function of seed, epoch and position, without a list of all rows.

An epoch's order is a permutation that is computed only for the positions asked for, so the first
batch of a large set waits for no shuffle, and a resume in mid-epoch costs nothing. It is a Feistel
network over a × b ≥ N numbers whose round functions are tables of random numbers; where it leads out
of the N, it is applied again (J. Black, P. Rogaway, "Ciphers with arbitrary finite domains", 2002).

Google's data loader Grain shuffles in the same way: ``index_shuffle`` in github.com/google/grain,
``grain/_src/python/experimental/index_shuffle``, is a block cipher of 4 rounds or more in C++ that
returns "the position of index in a permutation". Here it is numpy over many positions at once.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelmill.errors import InputError
from labelmill.feed.order.counter_rng import Bits, below, bits, key

RowIndex = npt.NDArray[np.int64]
"""Numbers of rows, or positions in an order: ``(N,)``."""

_ROUNDS = 10
# Permutations that are remembered; each is 10 × √N small numbers.
_REMEMBERED = 64


class Permutation:
    """A bijection of 0..size-1.

    Args:
        size: ≥ 1, below 2⁶².
        keyed: A `labelmill.feed.order.counter_rng.key`; different keys give different permutations.

    Example:
        >>> shuffled = Permutation(5, key(7))(np.arange(5))
        >>> sorted(shuffled.tolist())
        [0, 1, 2, 3, 4]
    """

    def __init__(self, size: int, keyed: int) -> None:
        self._size = size
        self._wide = math.isqrt(size - 1) + 1
        self._high = -(-size // self._wide)
        self._tables: list[RowIndex] = []
        for number in range(_ROUNDS):
            entries, values = self._wide, self._high
            if number % 2:
                entries, values = values, entries
            drawn = bits(np.arange(entries, dtype=np.uint64), key(keyed, number))
            self._tables.append(below(drawn, values))

    def __call__(self, positions: RowIndex) -> RowIndex:
        """The image of each position, ``(N,)`` int64 in and out."""
        found = self._once(positions)
        outside = np.flatnonzero(found >= self._size)
        while len(outside):
            found[outside] = self._once(found[outside])
            outside = outside[found[outside] >= self._size]
        return found

    def _once(self, positions: RowIndex) -> RowIndex:
        high, low = np.divmod(positions, self._wide)
        for number, table in enumerate(self._tables):
            moved, by, size = (low, high, self._wide) if number % 2 else (high, low, self._high)
            moved += np.take(table, by)
            moved -= size * (moved >= size)
        high *= self._wide
        high += low
        return high


permutation = functools.lru_cache(_REMEMBERED)(Permutation)
"""A `Permutation`, remembered."""


def permute(positions: RowIndex, sizes: RowIndex, keys: Bits) -> RowIndex:
    """The image of each position in a permutation of its own; many permutations cost no more than one.

    The same network as in `Permutation`, without tables, so the permutations are different ones.

    Args:
        positions: ``(N,)``, each from 0 and below its size.
        sizes: Of the permutations, ``(N,)``, below 2⁶².
        keys: ``(N,)``. Equal sizes and keys mean the same permutation.
    """
    wides = np.ceil(np.sqrt(sizes)).astype(np.int64)
    highs = -(-sizes // wides)
    found = _through(positions, wides, highs, keys)
    outside = np.flatnonzero(found >= sizes)
    while len(outside):
        found[outside] = _through(found[outside], wides[outside], highs[outside], keys[outside])
        outside = outside[found[outside] >= sizes[outside]]
    return found


def _through(positions: RowIndex, wides: RowIndex, highs: RowIndex, keys: Bits) -> RowIndex:
    high, low = np.divmod(positions, wides)
    for number in range(_ROUNDS):
        moved, by, size = (low, high, wides) if number % 2 else (high, low, highs)
        drawn = bits(by.astype(np.uint64) + np.uint64(number << 48), keys)
        moved += below(drawn, size)
        moved -= size * (moved >= size)
    return np.asarray(high * wides + low)


@dataclass(frozen=True)
class Order:
    """The order of a split's rows, epoch by epoch.

    Args:
        rows: Of the split, N ≥ 1.
        seed: Any whole number.
        shuffle: A different order each epoch; else the frozen one.
        members: Rows of each class, when classes are drawn equally often; empty: each row once.
        shard: Number of this shard, from 0, and how many there are.

    Example:
        >>> rows, positions = Order(rows=4, seed=0, shuffle=False, shard=(1, 2)).at(0, 0, 2)
        >>> rows.tolist(), positions.tolist()
        ([1, 3], [1, 3])
    """

    rows: int
    seed: int
    shuffle: bool
    members: Sequence[RowIndex] = ()
    shard: tuple[int, int] = (0, 1)

    @property
    def per_epoch(self) -> int:
        """Rows of an epoch: N divided by the shards, rounded down, the same for every shard."""
        return self.rows // self.shard[1]

    def at(self, epoch: int, start: int, stop: int) -> tuple[RowIndex, RowIndex]:
        """The rows at positions start..stop-1 of this shard's epoch.

        Shard i of n takes the positions i, i + n, i + 2n, … of the epoch's order over all shards. Rows
        that do not fill every shard are left out, different ones each epoch when shuffled.

        Returns:
            Rows of the split, and their positions in the epoch's order over all shards.
        """
        positions = np.arange(start, stop, dtype=np.int64) * self.shard[1] + self.shard[0]
        drawn = positions.copy()
        if self.shuffle:
            drawn = permutation(self.rows, key(self.seed, epoch))(positions)
        return (self._balanced(epoch, drawn) if self.members else drawn), positions

    def reach(self, epoch: int, start: int) -> int:
        """The position up to which rows are as quick to read as the one at `start`; here all of them."""
        return self.per_epoch

    def _balanced(self, epoch: int, drawn: RowIndex) -> RowIndex:
        # Draw d is of class d mod K and is its turn number d div K. Turns go round the rows of the
        # class, in a different order each round.
        classes = len(self.members)
        turns, numbers = np.divmod(drawn, classes)
        if not self.shuffle:
            # A shard of n would see every n-th class only, so classes move on by one in each cycle.
            common = math.gcd(classes, self.shard[1])
            recurs = classes * self.shard[1] // common
            numbers = (numbers + drawn // recurs % common) % classes
        rows, starts, sizes = self._joined
        rounds, positions = np.divmod(turns, sizes[numbers])
        if self.shuffle:
            keys = bits(rounds.astype(np.uint64), key(self.seed, epoch))
            keys = bits(keys + numbers.astype(np.uint64), key(len(self.members)))
            positions = permute(positions, sizes[numbers], keys)
        return np.asarray(rows[starts[numbers] + positions])

    @functools.cached_property
    def _joined(self) -> tuple[RowIndex, RowIndex, RowIndex]:
        """Rows class by class, where each class begins, and how many rows it has."""
        sizes = np.array([len(rows) for rows in self.members], np.int64)
        return np.concatenate(self.members), np.cumsum(sizes) - sizes, sizes


def check_shard(number: int, shards: int) -> tuple[int, int]:
    """The pair (number, shards).

    Raises:
        InputError: There is no such shard.
    """
    if shards < 1 or not 0 <= number < shards:
        raise InputError(
            f"shard {number} of {shards}; expected a number from 0 to the number of shards minus one"
        )
    return number, shards
