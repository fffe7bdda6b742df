"""Rows of a plan, read ahead of a consumer that takes them in order; other rows are looked up."""

from __future__ import annotations

import functools
import threading
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from labelmill.feed.batches.options import Feeding
from labelmill.feed.files.columns import About
from labelmill.feed.maps.elements import concatenate
from labelmill.feed.order.permutation import RowIndex
from labelmill.feed.rows.targets import Classes, OneClass
from labelmill.live.kudu.plan import KuduPlan
from labelmill.live.kudu.prefetch import (
    LoadedWindow,
    WindowLoader,
    WindowPixels,
    allocate_window,
    reads_of,
)
from labelmill.live.kudu.reader import BatchKey, PixelReader
from labelmill.live.kudu.window_order import Expected, WindowOrder
from labelmill.store.client import RowClient


class KuduRows:
    """Rows of a plan as a `labelmill.feed.batches.cache.RowSource`, for one consumer.

    Args:
        plan: The plan.
        client: Open client.
        patience_s: Seconds without an answer from Kudu after which it is an error.
        readers: Number of threads that read.
        feeding: Order and epochs of a pass.
        window_bytes: Bytes of pixels among which rows are shuffled.

    Attributes:
        order: Order of the rows; rows that it returns are read ahead.
        target: Classes; None where the target is not a class.
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
        self._expected: Expected | None = None
        self._next = (-1, 0)
        self._positions: dict[BatchKey, npt.NDArray[np.int32]] = {}
        self._loaded: deque[LoadedWindow] = deque()
        self._loader: WindowLoader | None = None
        self.target = targets_of(plan)
        self.order = WindowOrder(
            len(plan), feeding.seed, feeding.shuffle, plan=plan, size=window_bytes,
            on_rows=self._expect, on_request=self._prepare,
        )  # fmt: skip

    @property
    def masks(self) -> bool:
        """Whether targets are masks."""
        return self._plan.target == "mask"

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._plan)

    def take(self, rows: RowIndex) -> tuple[Any, Any]:
        """Inputs and targets of rows.

        Raises:
            MissingRow: Images are missing or incomplete.
            StoreUnreachable: Kudu did not answer for too long.
            StoreError: Kudu refused.
        """
        expected = self._expected
        # Exactly the array that the order returned: the consumer walks through the windows.
        if expected is not None and expected.rows is rows:
            found = self._take_expected(expected)
        else:
            found = self._look_up(rows)
        if self.target is not None:
            return found.images, self.target.take(rows)
        return found.images, found.masks

    def _expect(self, expected: Expected) -> None:
        self._expected = expected

    def _prepare(self, epoch: int, start: int) -> None:
        if not self._continues(epoch, start):
            self._restart(epoch, start)

    def _take_expected(self, expected: Expected) -> WindowPixels:
        epoch, start, stop, _ = expected
        loaded = self._loaded
        if not self._continues(epoch, start):
            self._restart(epoch, start)
        while loaded and (loaded[0].epoch != epoch or loaded[0].window.end <= start):
            loaded.popleft()
        while not loaded or loaded[-1].window.end < stop:
            following = next(self._loader, None) if self._loader else None
            if following is None:
                self._restart(epoch, start)
            elif following.epoch == epoch and following.window.end > start:
                loaded.append(following)
        images, masks = [], []
        for _, window, pixels in loaded:
            part = slice(max(start - window.begin, 0), max(stop - window.begin, 0))
            images.append(pixels.images[part])
            masks.append(pixels.masks[part] if self.masks else None)
        self._next = (epoch, stop)
        # Drop windows that were taken to their end.
        while loaded and loaded[0].window.end <= stop:
            loaded.popleft()
        return WindowPixels(_concat(images), _concat(masks) if self.masks else None)

    def _continues(self, epoch: int, start: int) -> bool:
        """Whether a position is loaded, or comes next."""
        first = self._loaded[0] if self._loaded else None
        if first and first.epoch == epoch and first.window.begin <= start:
            last = self._loaded[-1].window
            return start < last.end or self._has_more
        return self._has_more and (epoch, start) in (self._next, (self._next[0] + 1, 0))

    @property
    def _has_more(self) -> bool:
        return self._loader is not None and self._loader.left

    def _restart(self, epoch: int, start: int) -> None:
        self._loaded.clear()
        if self._loader is not None:
            self._loader.close()
        order = self.order.from_(epoch, start, self._epochs)
        self._loader = WindowLoader(
            self._plan, order, self._open_reader(), self._readers, self._batch
        )
        self._next = (epoch, start)

    def _look_up(self, rows: RowIndex) -> WindowPixels:
        wanted, inverse = np.unique(rows, return_inverse=True)
        pixels = allocate_window(self._plan, len(wanted))
        reader = self._open_reader()
        starts = np.array([unit.start for unit in self._plan.units])
        owners = np.searchsorted(starts, wanted, side="right") - 1
        for number in np.unique(owners).tolist():
            own = np.flatnonzero(owners == number)
            collection = self._plan.units[number].collection
            targets = functools.partial(np.asarray, own)
            for read in reads_of(self._plan, collection, wanted[own], targets, pixels, reader, ()):
                read()
        return WindowPixels(_pick(pixels.images, inverse), _pick(pixels.masks, inverse))

    def _open_reader(self) -> PixelReader:
        snapshot_ms, stop = self._plan.snapshot_ms, threading.Event()
        return PixelReader(self._client, snapshot_ms, self._patience, stop, self._positions)


def targets_of(plan: KuduPlan) -> OneClass | Classes | None:
    """Classes of a plan's rows; None where the target is not a class."""
    about = About("images", plan.target, list(plan.classes))
    if plan.target == "class":
        return OneClass(plan.index, about)
    return Classes(plan.index, about) if plan.target == "classes" else None


def _concat(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], list):
        return [one for part in parts for one in part]
    return concatenate(parts)


def _pick(memory: Any, rows: RowIndex) -> Any:
    if isinstance(memory, list):
        return [memory[row] for row in rows.tolist()]
    return None if memory is None else memory[rows]
