"""Rows of a plan, read ahead of whoever takes them in order; others are looked up."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.feed.blocks import joined
from labelmill.feed.feeding import Feeding
from labelmill.feed.rows import About
from labelmill.feed.targets import Classes, OneClass
from labelmill.pipelines.kudu_order import Coming, Window, WindowOrder
from labelmill.pipelines.kudu_plan import KuduPlan
from labelmill.pipelines.kudu_read import Places, Reader, Wanted
from labelmill.pipelines.kudu_sinks import room_for, sink_of
from labelmill.store.client import RowClient

AHEAD = 1
"""Windows that are read while one is used."""


@dataclass(frozen=True)
class Pixels:
    """Images side by side, and their masks.

    Attributes:
        images: ``(N, H, W, C)`` where the plan's images are of one shape, else a list.
        masks: The same of masks; None where they are not what is learned.
    """

    images: Any
    masks: Any


class Filled(NamedTuple):
    """A window of an epoch, with its pixels."""

    epoch: int
    window: Window
    pixels: Pixels


class KuduRows:
    """`labelmill.feed.kept.Taking` over a plan, for one consumer.

    Args:
        plan: What there is.
        client: Open client.
        patience_s: For how long Kudu may not answer before it is an error.
        readers: Threads that read.
        feeding: Order and epochs of a pass.
        window_bytes: Pixels that rows are shuffled among.

    Attributes:
        order: Of the rows; what it is asked for is read ahead.
        target: Classes; None where no class is learned.
    """

    def __init__(
        self,
        plan: KuduPlan,
        client: RowClient,
        patience_s: float,
        readers: int,
        feeding: Feeding,
        window_bytes: int,
    ) -> None:
        self._plan, self._client, self._epochs = plan, client, feeding.epochs
        self._patience, self._readers = patience_s, readers
        self._coming: Coming | None = None
        self._next = (-1, 0)
        self._held: deque[Filled] = deque()
        self._filling: Iterator[Filled] = iter(())
        self.target = target_of(plan)
        self.order = WindowOrder(
            len(plan), feeding.seed, feeding.shuffle,
            plan=plan, size=window_bytes, coming=self._expect,
        )  # fmt: skip

    @property
    def masks(self) -> bool:
        """Targets are masks."""
        return self._plan.target == "mask"

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._plan)

    def take(self, rows: Places) -> tuple[Any, Any]:
        """Inputs and targets of rows.

        Raises:
            MissingRow: Images are not there, or not whole.
            StoreUnreachable: Kudu did not answer for too long.
            StoreError: Kudu refused.
        """
        asked = self._coming
        # Just what the order answered with is a walk through the windows.
        if asked is not None and asked.rows is rows:
            found = self._walked(asked)
        else:
            found = self._looked_up(rows)
        if self.target is not None:
            return found.images, self.target.take(rows)
        return found.images, found.masks

    def _expect(self, asked: Coming) -> None:
        self._coming = asked

    def _walked(self, asked: Coming) -> Pixels:
        held = self._held
        if not self._goes_on(asked):
            self._begin(asked)
        while held and (held[0].epoch != asked.epoch or held[0].window.end <= asked.start):
            held.popleft()
        while not held or held[-1].window.end < asked.stop:
            coming = next(self._filling, None)
            if coming is None:
                self._begin(asked)
            elif coming.epoch == asked.epoch and coming.window.end > asked.start:
                held.append(coming)
        images, masks = [], []
        for _, window, pixels in held:
            part = slice(max(asked.start - window.begin, 0), max(asked.stop - window.begin, 0))
            images.append(pixels.images[part])
            masks.append(pixels.masks[part] if self.masks else None)
        self._next = (asked.epoch, asked.stop)
        return Pixels(_side_by_side(images), _side_by_side(masks) if self.masks else None)

    def _goes_on(self, asked: Coming) -> bool:
        """Whether what is asked for is held, or comes."""
        first = self._held[0] if self._held else None
        if first and first.epoch == asked.epoch and first.window.begin <= asked.start:
            return True
        return asked[:2] in (self._next, (self._next[0] + 1, 0))

    def _begin(self, asked: Coming) -> None:
        self._held.clear()
        order = self.order.from_(asked.epoch, asked.start, self._epochs)
        self._filling = filled(self._plan, order, self._reader(), self._readers)

    def _looked_up(self, rows: Places) -> Pixels:
        wanted, back = np.unique(rows, return_inverse=True)
        room = _room(self._plan, len(wanted))
        reader = self._reader()
        starts = np.array([unit.start for unit in self._plan.units])
        owners = np.searchsorted(starts, wanted, side="right") - 1
        for number in np.unique(owners).tolist():
            places = np.flatnonzero(owners == number)
            collection = self._plan.units[number].collection
            for read in _reads(self._plan, collection, wanted[places], places, room, reader, ()):
                read()
        return Pixels(_picked(room.images, back), _picked(room.masks, back))

    def _reader(self) -> Reader:
        return Reader(self._client, self._plan.snapshot_ms, self._patience, threading.Event())


def target_of(plan: KuduPlan) -> OneClass | Classes | None:
    """Classes of a plan's rows; None where no class is learned."""
    about = About("images", plan.target, list(plan.classes))
    if plan.target == "class":
        return OneClass(plan.index, about)
    return Classes(plan.index, about) if plan.target == "classes" else None


def filled(
    plan: KuduPlan, order: Iterator[tuple[int, Window]], reader: Reader, readers: int
) -> Iterator[Filled]:
    """Reads windows, some ahead of the one that is used.

    Args:
        plan: What there is.
        order: Epochs and windows, as they come.
        reader: Its ``stop`` is set when nobody reads on.
        readers: Threads that read.

    Raises:
        MissingRow: Images are not there, or not whole.
        StoreUnreachable: Kudu did not answer for too long.
        StoreError: Kudu refused.
    """
    pool = ThreadPoolExecutor(readers, thread_name_prefix="labelmill-kudu")
    begun: deque[tuple[Filled, list[Future[None]]]] = deque()
    try:
        for epoch, window in order:
            room, reads = _room(plan, len(window.places)), []
            at = 0
            for unit in window.units:
                rows = np.arange(unit.start, unit.stop)
                to = window.places[at : at + len(rows)]
                at += len(rows)
                for read in _reads(plan, unit.collection, rows, to, room, reader, unit.tokens):
                    reads.append(pool.submit(read))
            begun.append((Filled(epoch, window, room), reads))
            if len(begun) > AHEAD:
                yield _ended(*begun.popleft())
        while begun:
            yield _ended(*begun.popleft())
    finally:
        reader.stop.set()
        pool.shutdown(cancel_futures=True)


def _ended(window: Filled, reads: list[Future[None]]) -> Filled:
    for read in reads:
        read.result()
    return window


def _reads(
    plan: KuduPlan,
    collection: str,
    rows: Places,
    to: Places,
    room: Pixels,
    reader: Reader,
    tokens: tuple[bytes, ...],
) -> Iterator[Callable[[], None]]:
    """What is to be done so that some rows of one collection, ascending, get their pixels."""
    if rows[-1] - rows[0] == len(rows) - 1:
        own = plan.index.slice(int(rows[0]), len(rows))
    else:
        own = plan.index.take(pa.array(rows))
    yield partial(
        _read,
        plan,
        collection,
        own["image_id"],
        own["shape"],
        to,
        room.images,
        reader,
        tokens,
        True,
    )
    if room.masks is None:
        return
    collections = own["mask_collection"].combine_chunks()
    for named in pc.unique(collections).to_pylist():
        of = np.flatnonzero(pc.equal(collections, named).to_numpy(zero_copy_only=False))
        some = own.take(pa.array(of))
        yield partial(
            _read,
            plan,
            named,
            some["mask_id"],
            some["mask_shape"],
            to[of],
            room.masks,
            reader,
            (),
            False,
        )


def _read(
    plan: KuduPlan,
    collection: str,
    ids: pa.ChunkedArray,
    codes: pa.ChunkedArray,
    to: Places,
    room: Any,
    reader: Reader,
    tokens: tuple[bytes, ...],
    ascending: bool,
) -> None:
    """Reads images into a room; ids that are not ascending may be there twice."""
    shape_of, sizes = codes.to_numpy(), plan.sizes
    known = ids.combine_chunks() if ascending else pc.unique(ids).sort()
    if ascending:
        shapes = [plan.shapes[code] for code in shape_of.tolist()] if isinstance(room, list) else ()
        reader.read(Wanted(collection, known, sizes[shape_of], tokens), sink_of(room, to, shapes))
        return
    # Masks come in the order of their images, and images may share one: each is read once.
    place = pc.index_in(ids.combine_chunks(), value_set=known).to_numpy()
    own = np.empty(len(known), shape_of.dtype)
    own[place] = shape_of
    held: list[Any] = [None] * len(known)
    shapes = [plan.shapes[code] for code in own.tolist()]
    reader.read(Wanted(collection, known, sizes[own]), sink_of(held, np.arange(len(known)), shapes))
    for row, one in zip(to.tolist(), place.tolist(), strict=True):
        room[row] = held[one]


def _room(plan: KuduPlan, rows: int) -> Pixels:
    masks = plan.target == "mask"
    return Pixels(
        room_for(rows, plan.image_shapes), room_for(rows, plan.mask_shapes) if masks else None
    )


def _side_by_side(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], list):
        return [one for part in parts for one in part]
    return joined(parts)


def _picked(room: Any, rows: Places) -> Any:
    if isinstance(room, list):
        return [room[row] for row in rows.tolist()]
    return None if room is None else room[rows]
