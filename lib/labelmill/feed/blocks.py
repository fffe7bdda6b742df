"""Batches, many at a time: rows gathered by the epoch's order and mapped, a block in one go.

A block is some whole batches of one epoch, or the remainder that ends it. Gathering a block costs
little more than gathering a batch, and it crosses into TensorFlow in one trip.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from labelmill.errors import InputError
from labelmill.feed.draws import Draws
from labelmill.feed.kept import Taking
from labelmill.feed.maps import ArrayMap, Rows
from labelmill.feed.order import Order
from labelmill.feed.state import Position
from labelmill.read_ahead import read_ahead

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

    def ahead(self, start: Position, end: int | None, batches: int) -> Iterator[Block]:
        """`from_`, with that many batches made ready ahead, at least; 0: none, and no thread."""
        blocks = self.from_(start, end)
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
                count = min(size, self._whole - batch)
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

    def _block(self, epoch: int, batch: int, count: int, size: int) -> Block:
        start = batch * self._batch
        rows, places = self._order.at(epoch, start, start + count * size)
        return Block(self._mapped(rows, places, epoch, size), size, count)

    def _mapped(self, rows: Any, places: Any, epoch: int, size: int) -> Rows:
        inputs, targets = self._source.take(rows)
        draws = Draws(self._order.seed, epoch, places.astype(np.uint64))
        made = Rows(inputs, targets, self._source.masks, draws)
        for number, change in zip(self._numbers, self._maps, strict=True):
            given = Rows(made.inputs, made.targets, made.masks, draws.map(number))
            made = self._through(change, given, size)
        return made

    @staticmethod
    def _through(change: ArrayMap, rows: Rows, size: int) -> Rows:
        count = len(rows.draws.places)
        if change.rowwise or count <= size:
            return _checked(change, change(rows), count)
        parts = []
        for start in range(0, count, size):
            part = rows.part(slice(start, start + size))
            parts.append(_checked(change, change(part), len(part.draws.places)))
        return Rows(
            joined([part.inputs for part in parts]),
            None if rows.targets is None else joined([part.targets for part in parts]),
            rows.masks,
            rows.draws,
        )


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


def mixed(what: str) -> InputError:
    """The error about rows that do not fit into one array."""
    return InputError(
        f"images of {what} cannot go into one batch; add a map that makes them one shape: "
        "map=prepared(['grey', {'resize': [height, width]}]), or crop(height, width)"
    )


def leaves(element: Any) -> list[Any]:
    """The arrays of an element: of features, of a pair, or the one."""
    if element is None:
        return []
    if isinstance(element, dict):
        return [leaf for name in element for leaf in leaves(element[name])]
    if isinstance(element, tuple):
        return [leaf for part in element for leaf in leaves(part)]
    if isinstance(element, list):
        return [leaf for part in element for leaf in leaves(np.asarray(part)[None])]
    return [element]


def shaped(element: Any, change: Callable[[Any], Any]) -> Any:
    """An element with every array changed."""
    if isinstance(element, dict):
        return {name: shaped(leaf, change) for name, leaf in element.items()}
    if isinstance(element, tuple):
        return tuple(shaped(part, change) for part in element)
    return change(element)


def joined(parts: Sequence[Any]) -> Any:
    """Arrays, or dicts of them, one after the other.

    Raises:
        InputError: They differ in shape.
    """
    if isinstance(parts[0], dict):
        return {name: joined([part[name] for part in parts]) for name in parts[0]}
    if any(isinstance(part, list) for part in parts) or len({p.shape[1:] for p in parts}) > 1:
        raise mixed("mixed shapes")
    return np.concatenate(parts)


def _checked(change: ArrayMap, made: Rows, count: int) -> Rows:
    lengths = (
        {len(made.inputs)}
        if isinstance(made.inputs, list)
        else {len(leaf) for leaf in leaves(made.element())}
    )
    if lengths != {count}:
        raise InputError(
            f"the map {change} gave {sorted(lengths)} rows for {count}; expected as many as it gets"
        )
    return made
