"""Blocks of batches: rows gathered in the epoch's order and mapped, many batches at a time.

A block is several whole batches of one epoch, or the remainder at its end. Gathering a block costs
little more than gathering a batch, and it goes to TensorFlow in one trip.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np

from labelmill.feed.batches.cache import RowSource
from labelmill.feed.batches.state import Position
from labelmill.feed.maps.base import ArrayMap, RowArrays, check_rows
from labelmill.feed.maps.elements import concatenate, leaves, mixed_error
from labelmill.feed.order.counter_rng import Draws
from labelmill.feed.order.permutation import Order
from labelmill.read_ahead import read_ahead

T = TypeVar("T")

_BYTES = 8 << 20
"""Size of a block, about; a few blocks are in memory at once."""

_MOST = 512
"""Batches per block at most: a block of small rows could otherwise be a whole epoch."""

_TRIED = 64
"""Shapes that maps are tried with before the first batch. Photographs have more, but those that are
not resized differ within the first ones."""


class Block(NamedTuple):
    """Some batches.

    Args:
        rows: Their rows, batch after batch.
        size: Rows per batch.
        batches: Number of batches.
    """

    rows: RowArrays
    size: int
    batches: int


class Blocks:
    """The batches of a split in order.

    Args:
        source: Where rows are read.
        order: The order of rows.
        batch: Rows per batch.
        drop_remainder: Leave out the last batch of an epoch when it is not full.
        maps: Applied to rows, in order.
    """

    def __init__(
        self,
        source: RowSource,
        order: Order,
        batch: int,
        drop_remainder: bool,
        maps: Sequence[ArrayMap],
    ) -> None:
        self._source, self._order, self._batch, self._maps = source, order, batch, list(maps)
        # Only random maps are numbered: other maps before them, or a cache, change no draw.
        self._numbers = [sum(m.random for m in maps[:number]) for number in range(len(maps))]
        self._whole, rest = divmod(order.per_epoch, batch)
        self._rest = 0 if drop_remainder else rest

    @property
    def per_epoch(self) -> int:
        """Batches per epoch."""
        return self._whole + bool(self._rest)

    def one(self, row: int) -> RowArrays:
        """One row of the split after the maps, as if it were the first row of epoch 0."""
        rows = np.array([row])
        return self._mapped(rows, np.zeros(1, np.int64), 0, 1)

    def ahead(
        self, start: Position, end: int | None, batches: int, change: Callable[[Block], T]
    ) -> Iterator[T]:
        """Blocks as of `from_`, changed, with ``batches`` batches prepared ahead, at least.

        0: none, and no thread.
        """
        blocks = map(change, self.from_(start, end))
        return read_ahead(blocks, -(-batches // self.most)) if batches else blocks

    def from_(self, start: Position, end: int | None) -> Iterator[Block]:
        """Blocks from a batch on.

        Args:
            start: The first batch.
            end: The epoch to end before; None: unbounded.

        Raises:
            InputError: Rows that are of mixed shapes after the maps.
        """
        most = self.most
        # The first block is one batch: the first batch does not wait for others.
        size = 1
        epochs = itertools.count(start.epoch) if end is None else range(start.epoch, end)
        for epoch in epochs:
            batch = start.batch if epoch == start.epoch else 0
            while batch < self._whole:
                count = min(size, self._whole - batch, self._ready(epoch, batch))
                yield self._block(epoch, batch, count, self._batch)
                batch, size = batch + count, min(size * 4, most)
            if self._rest:
                yield self._block(epoch, batch, 1, self._rest)

    @functools.cached_property
    def most(self) -> int:
        """Batches per block at most."""
        one = self._order.at(0, 0, 1)[0]
        inputs, targets = self._source.take(one)
        made = self.one(int(one[0]))
        each = max(
            sum(leaf.nbytes for leaf in leaves(inputs))
            + sum(leaf.nbytes for leaf in leaves(targets)),
            sum(leaf.nbytes for leaf in leaves(made.element())),
        )
        return int(np.clip(_BYTES // max(1, each * self._batch), 1, _MOST))

    def _ready(self, epoch: int, batch: int) -> int:
        """Batches, from this one on, that can be read as soon as this one can; at least 1."""
        start = batch * self._batch
        return max(1, (self._order.reach(epoch, start) - start) // self._batch)

    def _block(self, epoch: int, batch: int, count: int, size: int) -> Block:
        start = batch * self._batch
        rows, positions = self._order.at(epoch, start, start + count * size)
        return Block(self._mapped(rows, positions, epoch, size), size, count)

    def _mapped(self, rows: Any, positions: Any, epoch: int, size: int) -> RowArrays:
        inputs, targets = self._source.take(rows)
        draws = Draws(self._order.seed, epoch, positions.astype(np.uint64))
        made = RowArrays(inputs, targets, self._source.masks, draws)
        for number, change in zip(self._numbers, self._maps, strict=True):
            made = self._through(change, replace(made, draws=draws.map(number)), size)
        return made

    @staticmethod
    def _through(change: ArrayMap, rows: RowArrays, size: int) -> RowArrays:
        count = len(rows.draws.positions)
        if change.rowwise or count <= size:
            return check_rows(change, change(rows), count)
        parts = []
        for start in range(0, count, size):
            part = rows.part(slice(start, start + size))
            parts.append(check_rows(change, change(part), len(part.draws.positions)))
        made = concatenate([part.element() for part in parts])
        return rows.of(made, parts[0].targets is not None)


def require_one_shape(blocks: Blocks, shapes: dict[Any, int]) -> None:
    """Refuses mixed shapes before the first batch.

    Args:
        blocks: The blocks, with their maps.
        shapes: Distinct shapes of images, and of masks, in the split, each with a row that has it.

    Raises:
        InputError: Images of mixed shapes that no map makes one shape.
    """
    rows = [row for _, row in zip(range(_TRIED), shapes.values(), strict=False)] or [0]
    found = {
        tuple((leaf.shape[1:], leaf.dtype) for leaf in leaves(blocks.one(row).element()))
        for row in rows
    }
    if len(found) > 1:
        some = ", ".join(str(shape) for shape in itertools.islice(shapes, 3))
        raise mixed_error(f"{len(shapes)} shapes ({some}{', …' if len(shapes) > 3 else ''})")
