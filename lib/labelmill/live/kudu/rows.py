"""Rows of a plan, read ahead of whoever takes them in order; others are looked up."""

from __future__ import annotations

import functools
import threading
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from labelmill.feed.batches.options import Feeding
from labelmill.feed.files.columns import About
from labelmill.feed.maps.elements import joined
from labelmill.feed.rows.targets import Classes, OneClass
from labelmill.live.kudu.plan import KuduPlan
from labelmill.live.kudu.prefetch import Filled, Filling, Pixels, reads_of, room_of
from labelmill.live.kudu.reader import Places, Reader
from labelmill.live.kudu.window_order import Coming, WindowOrder
from labelmill.store.client import RowClient


class KuduRows:
    """`labelmill.feed.batches.cache.Taking` over a plan, for one consumer.

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
        self._patience, self._readers, self._batch = patience_s, readers, feeding.batch
        self._coming: Coming | None = None
        self._next = (-1, 0)
        self._orders: dict[tuple[bytes, int], npt.NDArray[np.int32]] = {}
        self._held: deque[Filled] = deque()
        self._filling: Filling | None = None
        self.target = target_of(plan)
        self.order = WindowOrder(
            len(plan), feeding.seed, feeding.shuffle,
            plan=plan, size=window_bytes, coming=self._expect, soon=self._soon,
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

    def _soon(self, epoch: int, start: int) -> None:
        if not self._goes_on(epoch, start):
            self._begin(epoch, start)

    def _walked(self, asked: Coming) -> Pixels:
        held = self._held
        if not self._goes_on(asked.epoch, asked.start):
            self._begin(asked.epoch, asked.start)
        while held and (held[0].epoch != asked.epoch or held[0].window.end <= asked.start):
            held.popleft()
        while not held or held[-1].window.end < asked.stop:
            coming = next(self._filling, None) if self._filling else None
            if coming is None:
                self._begin(asked.epoch, asked.start)
            elif coming.epoch == asked.epoch and coming.window.end > asked.start:
                held.append(coming)
        images, masks = [], []
        for _, window, pixels in held:
            part = slice(max(asked.start - window.begin, 0), max(asked.stop - window.begin, 0))
            images.append(pixels.images[part])
            masks.append(pixels.masks[part] if self.masks else None)
        self._next = (asked.epoch, asked.stop)
        # What was given to its end is no longer kept here.
        while held and held[0].window.end <= asked.stop:
            held.popleft()
        return Pixels(_side_by_side(images), _side_by_side(masks) if self.masks else None)

    def _goes_on(self, epoch: int, start: int) -> bool:
        """Whether what is asked for is held, or comes."""
        first = self._held[0] if self._held else None
        if first and first.epoch == epoch and first.window.begin <= start:
            last = self._held[-1].window
            return start < last.end or self._comes
        return self._comes and (epoch, start) in (self._next, (self._next[0] + 1, 0))

    @property
    def _comes(self) -> bool:
        return self._filling is not None and self._filling.left

    def _begin(self, epoch: int, start: int) -> None:
        self._held.clear()
        if self._filling is not None:
            self._filling.close()
        order = self.order.from_(epoch, start, self._epochs)
        self._filling = Filling(self._plan, order, self._reader(), self._readers, self._batch)
        self._next = (epoch, start)

    def _looked_up(self, rows: Places) -> Pixels:
        wanted, back = np.unique(rows, return_inverse=True)
        room = room_of(self._plan, len(wanted))
        reader = self._reader()
        starts = np.array([unit.start for unit in self._plan.units])
        owners = np.searchsorted(starts, wanted, side="right") - 1
        for number in np.unique(owners).tolist():
            places = np.flatnonzero(owners == number)
            collection = self._plan.units[number].collection
            to = functools.partial(np.asarray, places)
            for read in reads_of(self._plan, collection, wanted[places], to, room, reader, ()):
                read()
        return Pixels(_picked(room.images, back), _picked(room.masks, back))

    def _reader(self) -> Reader:
        snapshot_ms, stop = self._plan.snapshot_ms, threading.Event()
        return Reader(self._client, snapshot_ms, self._patience, stop, self._orders)


def target_of(plan: KuduPlan) -> OneClass | Classes | None:
    """Classes of a plan's rows; None where no class is learned."""
    about = About("images", plan.target, list(plan.classes))
    if plan.target == "class":
        return OneClass(plan.index, about)
    return Classes(plan.index, about) if plan.target == "classes" else None


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
