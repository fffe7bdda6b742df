"""Which row comes when: a pure function of seed, epoch and place, with nothing kept.

An epoch's order is a permutation that is computed for the places that are asked for, so the first
batch of a large set waits for no shuffle, a resume in mid-epoch costs nothing, and no list of all rows
is kept. It is a Feistel network over a × b ≥ N places that walks on where it leaves the N (J. Black,
P. Rogaway, "Ciphers with arbitrary finite domains", 2002), its round functions tables of random numbers.
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

Places = npt.NDArray[np.int64]

_ROUNDS = 10
# Tables are 10 × √N small numbers.
_KEPT = 64


class Permutation:
    """A bijection of 0..size-1.

    Args:
        size: ≥ 1, below 2⁶².
        keyed: A `labelmill.feed.order.counter_rng.key`: another one, another permutation.
    """

    def __init__(self, size: int, keyed: int) -> None:
        self._size = size
        self._wide = math.isqrt(size - 1) + 1
        self._high = -(-size // self._wide)
        self._tables: list[Places] = []
        for number in range(_ROUNDS):
            entries, values = self._wide, self._high
            if number % 2:
                entries, values = values, entries
            drawn = bits(np.arange(entries, dtype=np.uint64), key(keyed, number))
            self._tables.append(below(drawn, values))

    def __call__(self, places: Places) -> Places:
        """Where each place goes, ``(N,)`` int64 in and out."""
        found = self._once(places)
        outside = np.flatnonzero(found >= self._size)
        while len(outside):
            found[outside] = self._once(found[outside])
            outside = outside[found[outside] >= self._size]
        return found

    def _once(self, places: Places) -> Places:
        high, low = np.divmod(places, self._wide)
        for number, table in enumerate(self._tables):
            moved, by, size = (low, high, self._wide) if number % 2 else (high, low, self._high)
            moved += np.take(table, by)
            moved -= size * (moved >= size)
        high *= self._wide
        high += low
        return high


permutation = functools.lru_cache(_KEPT)(Permutation)
"""A `Permutation`, made once: a memo, nothing depends on it."""


def permuted(places: Places, sizes: Places, keys: Bits) -> Places:
    """Where each place goes in a permutation of its own: one by one, so any number of them cost as one.

    The same network as `Permutation`'s, without tables: other permutations, no less random.

    Args:
        places: ``(N,)``, each from 0 and below its size.
        sizes: Of the permutations, ``(N,)``, below 2⁶².
        keys: Equal sizes and keys, the same permutation; ``(N,)``.
    """
    wides = np.ceil(np.sqrt(sizes)).astype(np.int64)
    highs = -(-sizes // wides)
    found = _through(places, wides, highs, keys)
    outside = np.flatnonzero(found >= sizes)
    while len(outside):
        found[outside] = _through(found[outside], wides[outside], highs[outside], keys[outside])
        outside = outside[found[outside] >= sizes[outside]]
    return found


def _through(places: Places, wides: Places, highs: Places, keys: Bits) -> Places:
    high, low = np.divmod(places, wides)
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
        shuffle: Another order each epoch; else the frozen one.
        members: Rows of each class, when classes are drawn equally often; empty: each row once.
        shard: Number of this shard, from 0, and how many there are.
    """

    rows: int
    seed: int
    shuffle: bool
    members: Sequence[Places] = ()
    shard: tuple[int, int] = (0, 1)

    @property
    def per_epoch(self) -> int:
        """Rows that come in an epoch: N over the shards, rounded down, the same for every shard."""
        return self.rows // self.shard[1]

    def at(self, epoch: int, start: int, stop: int) -> tuple[Places, Places]:
        """The rows at places start..stop-1 of this shard's epoch.

        Shard i of n takes the places i, i + n, i + 2n, … of the epoch's order over all shards. What
        does not fill every shard is left out: with shuffling, other rows each epoch.

        Returns:
            Rows of the split, and their places in the epoch's order over all shards.
        """
        places = np.arange(start, stop, dtype=np.int64) * self.shard[1] + self.shard[0]
        drawn = places.copy()
        if self.shuffle:
            drawn = permutation(self.rows, key(self.seed, epoch))(places)
        return (self._balanced(epoch, drawn) if self.members else drawn), places

    def reach(self, epoch: int, start: int) -> int:
        """The place before which rows are as near at hand as the one at `start`: all of them here."""
        return self.per_epoch

    def _balanced(self, epoch: int, drawn: Places) -> Places:
        # Draw d is of class d mod K and is its turn number d div K; turns go round the class's rows,
        # each time round in another order.
        classes = len(self.members)
        turns, numbers = np.divmod(drawn, classes)
        if not self.shuffle:
            # Every n-th draw would be of every n-th class: classes move on by one where that recurs.
            common = math.gcd(classes, self.shard[1])
            recurs = classes * self.shard[1] // common
            numbers = (numbers + drawn // recurs % common) % classes
        rows, starts, sizes = self._joined
        rounds, places = np.divmod(turns, sizes[numbers])
        if self.shuffle:
            keys = bits(rounds.astype(np.uint64), key(self.seed, epoch))
            keys = bits(keys + numbers.astype(np.uint64), key(len(self.members)))
            places = permuted(places, sizes[numbers], keys)
        return np.asarray(rows[starts[numbers] + places])

    @functools.cached_property
    def _joined(self) -> tuple[Places, Places, Places]:
        """Rows class by class, where each class begins, and how many it has."""
        sizes = np.array([len(rows) for rows in self.members], np.int64)
        return np.concatenate(self.members), np.cumsum(sizes) - sizes, sizes


def checked_shard(number: int, shards: int) -> tuple[int, int]:
    """A shard that exists.

    Raises:
        InputError: It does not.
    """
    if shards < 1 or not 0 <= number < shards:
        raise InputError(
            f"shard {number} of {shards}; expected a number from 0 to one below how many there are"
        )
    return number, shards
