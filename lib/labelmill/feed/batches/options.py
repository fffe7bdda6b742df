"""Arguments of ``tf()`` and ``numpy()``: checked, and turned into blocks of batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from labelmill.errors import InputError, NoData
from labelmill.feed.batches.blocks import Blocks, require_one_shape
from labelmill.feed.batches.cache import RowCache, RowSource
from labelmill.feed.maps.base import ArrayMap
from labelmill.feed.maps.functions import Batched, EachRow, RunBatched
from labelmill.feed.order.permutation import Order
from labelmill.feed.rows.split import SplitRows
from labelmill.feed.rows.targets import OneClass

Map = Callable[..., Any]


@dataclass(frozen=True)
class Feeding:
    """How a split is fed. Fields as the arguments of `labelmill.feed.training_set.TrainingSet.tf`.

    Raises:
        InputError: An invalid argument.

    Example:
        >>> Feeding(batch=32, repeat=3).epochs
        3
        >>> Feeding(batch=0)
        Traceback (most recent call last):
            ...
        labelmill.errors.InputError: batch 0; expected a whole number of at least 1
    """

    batch: int
    split: str = "train"
    shuffle: bool = True
    seed: int = 0
    balance: bool = False
    cache: bool | ArrayMap = False
    map: Map | Sequence[Map] | None = None
    repeat: bool | int = False
    drop_remainder: bool = False
    prefetch: int = 2

    def __post_init__(self) -> None:
        """Refuses invalid arguments."""
        for name, least in (("batch", 1), ("prefetch", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise InputError(f"{name} {value!r}; expected a whole number of at least {least}")
        if type(self.seed) is not int:
            raise InputError(f"seed {self.seed!r}; expected a whole number")
        if type(self.repeat) is not bool and (type(self.repeat) is not int or self.repeat < 1):
            raise InputError(
                f"repeat {self.repeat!r}; expected True, False or a number of epochs, at least 1"
            )
        if isinstance(self.cache, ArrayMap) and self.cache.random:
            raise InputError(
                f"cache={self.cache} would repeat one random draw in every epoch; pass it as map="
            )
        if isinstance(self.cache, ArrayMap) and not self.cache.rowwise:
            raise InputError(
                f"cache={self.cache} would cache results that depend on which rows share a batch; "
                "expected a map that treats each row by itself: arrays(function, rowwise=True) if it "
                "does, else pass it as map="
            )
        if not isinstance(self.cache, bool | ArrayMap):
            raise InputError(f"cache {self.cache!r}; expected True, False or a map over arrays")
        if not all(callable(one) for one in self.maps):
            raise InputError(f"map {self.map!r}; expected a function, or several")

    @property
    def maps(self) -> tuple[Map, ...]:
        """The maps, in order."""
        if self.map is None:
            return ()
        return tuple(self.map) if isinstance(self.map, Sequence) else (self.map,)

    @property
    def epochs(self) -> int | None:
        """Epochs of a pass; None: unbounded."""
        return None if self.repeat is True else int(self.repeat) or 1

    def identity(self, digest: str, shard: tuple[int, int]) -> dict[str, Any]:
        """What the batches depend on; a state belongs to batches with the same identity."""
        names = ("split", "shuffle", "seed", "balance", "drop_remainder")
        named = {name: getattr(self, name) for name in names}
        return {"digest": digest, **named, "batch_size": self.batch, "shard": list(shard)}


def blocks_of(
    feeding: Feeding, rows: SplitRows, shard: tuple[int, int], maps: Sequence[ArrayMap]
) -> Blocks:
    """The blocks of a split.

    Args:
        feeding: The arguments.
        rows: The split.
        shard: Number of the shard, and how many there are.
        maps: Maps over arrays, in order.

    Raises:
        InputError: Balance without classes, or images of mixed shapes that no map makes one shape.
        NoData: Less than one batch per epoch.
    """
    members = _members(rows) if feeding.balance else ()
    order = Order(len(rows), feeding.seed, feeding.shuffle, members, shard)
    source: RowSource = rows
    if feeding.cache:
        source = RowCache(rows, None if feeding.cache is True else feeding.cache)
    blocks = Blocks(source, order, feeding.batch, feeding.drop_remainder, maps)
    if not blocks.per_epoch:
        raise NoData(
            f"{order.per_epoch:,} rows per epoch ({len(rows):,} in split {feeding.split!r}, {shard[1]} "
            f"shards) are fewer than one batch of {feeding.batch}"
            + (" with drop_remainder" if feeding.drop_remainder else "")
        )
    require_one_shape(blocks, rows.shapes())
    return blocks


def in_numpy(maps: Sequence[Map]) -> list[ArrayMap]:
    """All maps as maps over arrays."""
    return [
        one if isinstance(one, ArrayMap)
        else RunBatched(one.function) if isinstance(one, Batched)
        else EachRow(one)
        for one in maps
    ]  # fmt: skip


def in_tensorflow(maps: Sequence[Map]) -> tuple[list[ArrayMap], list[Map]]:
    """Maps over arrays, and the functions of TensorFlow that follow them.

    Raises:
        InputError: A map over arrays after a function of TensorFlow.
    """
    first = next((n for n, one in enumerate(maps) if not isinstance(one, ArrayMap)), len(maps))
    late = [one for one in maps[first:] if isinstance(one, ArrayMap)]
    if late:
        raise InputError(
            f"the map {late[0]} works on arrays and comes after {maps[first]}, which TensorFlow "
            "runs; put maps over arrays first"
        )
    return [one for one in maps[:first] if isinstance(one, ArrayMap)], list(maps[first:])


def _members(rows: SplitRows) -> Sequence[Any]:
    if not isinstance(rows.target, OneClass):
        raise InputError(
            f"balance draws classes equally often; the target of these rows is {rows.about.target!r}, "
            "expected 'class'"
        )
    return rows.target.members()
