"""Batches, many at a time: rows gathered by the epoch's order and mapped, a block in one go.

A block is some whole batches of one epoch, or the remainder that ends it. Gathering a block costs
little more than gathering a batch, and it crosses into TensorFlow in one trip.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np

from labelmill.feed.batches.cache import Taking
from labelmill.feed.batches.state import Position
from labelmill.feed.maps.base import ArrayMap, Rows, checked
from labelmill.feed.maps.elements import joined, leaves, mixed
from labelmill.feed.order.counter_rng import Draws
from labelmill.feed.order.permutation import Order
from labelmill.read_ahead import read_ahead

T = TypeVar("T")

_BYTES = 8 << 20
"""Of a block, about: some of them are alive at once."""

_MOST = 512
"""Batches a block: small rows would else be a whole epoch."""

_TRIED = 64
"""Shapes that maps are tried with before the first batch; a set of more is of photographs, and what
is not resized differs within these."""


class Block(NamedTuple):
    """Some batches.

    Args:
        rows: Theirs, one after the other.
        size: Rows of each batch.
        batches: How many there are.
    """

    rows: Rows
    size: int
    batches: int


class Blocks:
    """The batches of a split in order.

    Args:
        source: Where rows are taken.
        order: Which row comes when.
        batch: Rows a batch.
        drop_remainder: Leave out the last batch of an epoch when it is not full.
        maps: What happens to rows, in order.
    """

    def __init__(
        self,
        source: Taking,
        order: Order,
        batch: int,
        drop_remainder: bool,
        maps: Sequence[ArrayMap],
    ) -> None:
        self._source, self._order, self._batch, self._maps = source, order, batch, list(maps)
        # Random maps are counted alone: what stands before them, or is kept, changes no draw.
        self._numbers = [sum(m.random for m in maps[:place]) for place in range(len(maps))]
        self._whole, rest = divmod(order.per_epoch, batch)
        self._rest = 0 if drop_remainder else rest

    @property
    def per_epoch(self) -> int:
        """Batches an epoch."""
        return self._whole + bool(self._rest)

    def one(self, row: int) -> Rows:
        """One row of the split after the maps, as it would come at the beginning of epoch 0."""
        rows = np.array([row])
        return self._mapped(rows, np.zeros(1, np.int64), 0, 1)

    def ahead(
        self, start: Position, end: int | None, batches: int, change: Callable[[Block], T]
    ) -> Iterator[T]:
        """`from_`, changed, with that many batches made ready ahead, at least; 0: none, and no thread."""
        blocks = map(change, self.from_(start, end))
        return read_ahead(blocks, -(-batches // self.most)) if batches else blocks

    def from_(self, start: Position, end: int | None) -> Iterator[Block]:
        """Blocks from a batch on.

        Args:
            start: The first batch.
            end: The epoch to end before; None: never.

        Raises:
            InputError: Rows that are of mixed shapes after the maps.
        """
        most = self.most
        # The first one is small: whoever waits for the first batch waits for no others.
        size = 1
        epochs = itertools.count(start.epoch) if end is None else range(start.epoch, end)
        for epoch in epochs:
            batch = start.batch if epoch == start.epoch else 0
            while batch < self._whole:
                count = min(size, self._whole - batch, self._at_hand(epoch, batch))
                yield self._block(epoch, batch, count, self._batch)
                batch, size = batch + count, min(size * 4, most)
            if self._rest:
                yield self._block(epoch, batch, 1, self._rest)

    @functools.cached_property
    def most(self) -> int:
        """Batches a block has at most."""
        one = self._order.at(0, 0, 1)[0]
        inputs, targets = self._source.take(one)
        made = self.one(int(one[0]))
        each = max(
            sum(leaf.nbytes for leaf in leaves(inputs))
            + sum(leaf.nbytes for leaf in leaves(targets)),
            sum(leaf.nbytes for leaf in leaves(made.element())),
        )
        return int(np.clip(_BYTES // max(1, each * self._batch), 1, _MOST))

    def _at_hand(self, epoch: int, batch: int) -> int:
        """How many batches from one on wait for nothing that it does not wait for; 1 at least."""
        start = batch * self._batch
        return max(1, (self._order.reach(epoch, start) - start) // self._batch)

    def _block(self, epoch: int, batch: int, count: int, size: int) -> Block:
        start = batch * self._batch
        rows, places = self._order.at(epoch, start, start + count * size)
        return Block(self._mapped(rows, places, epoch, size), size, count)

    def _mapped(self, rows: Any, places: Any, epoch: int, size: int) -> Rows:
        inputs, targets = self._source.take(rows)
        draws = Draws(self._order.seed, epoch, places.astype(np.uint64))
        made = Rows(inputs, targets, self._source.masks, draws)
        for number, change in zip(self._numbers, self._maps, strict=True):
            made = self._through(change, replace(made, draws=draws.map(number)), size)
        return made

    @staticmethod
    def _through(change: ArrayMap, rows: Rows, size: int) -> Rows:
        count = len(rows.draws.places)
        if change.rowwise or count <= size:
            return checked(change, change(rows), count)
        parts = []
        for start in range(0, count, size):
            part = rows.part(slice(start, start + size))
            parts.append(checked(change, change(part), len(part.draws.places)))
        made = joined([part.element() for part in parts])
        return rows.of(made, parts[0].targets is not None)


def require_one_shape(blocks: Blocks, shapes: dict[Any, int]) -> None:
    """Refuses mixed shapes before the first batch.

    Args:
        blocks: With their maps.
        shapes: Shapes that images, and masks, have in the split, each with a row that has it.

    Raises:
        InputError: Images of mixed shapes, which no map makes one.
    """
    rows = [row for _, row in zip(range(_TRIED), shapes.values(), strict=False)] or [0]
    found = {
        tuple((leaf.shape[1:], leaf.dtype) for leaf in leaves(blocks.one(row).element()))
        for row in rows
    }
    if len(found) > 1:
        some = ", ".join(str(shape) for shape in itertools.islice(shapes, 3))
        raise mixed(f"{len(shapes)} shapes ({some}{', …' if len(shapes) > 3 else ''})")
