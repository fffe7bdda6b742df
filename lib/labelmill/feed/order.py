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
from labelmill.feed.draws import below, bits, key

Places = npt.NDArray[np.int64]

_ROUNDS = 10
# Balanced draws ask for one permutation a class and pass; tables are 10 × √N small numbers.
_KEPT = 4096


class Permutation:
    """A bijection of 0..size-1.

    Args:
        size: ≥ 1, below 2⁶².
        keyed: A `labelmill.feed.draws.key`: another one, another permutation.
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

    def _balanced(self, epoch: int, drawn: Places) -> Places:
        # Draw d is of class d mod K and is its turn number d div K; turns go round the class's rows,
        # each time round in another order.
        turns, classes = np.divmod(drawn, len(self.members))
        found = np.empty_like(drawn)
        for number in np.unique(classes):
            of = np.flatnonzero(classes == number)
            rows = self.members[number]
            rounds, places = np.divmod(turns[of], len(rows))
            if self.shuffle:
                for again in np.unique(rounds):
                    now = np.flatnonzero(rounds == again)
                    keyed = key(self.seed, epoch, int(number), int(again))
                    places[now] = permutation(len(rows), keyed)(places[now])
            found[of] = rows[places]
        return found


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
