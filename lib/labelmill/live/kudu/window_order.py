"""The order in which images come straight from Kudu: a pure function of plan, seed and epoch.

Units are read whole, several of them form a window. Units are shuffled within an epoch, rows within a
window. A unit is a range of ids, which are hashes, so it is a fair sample of its collection.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from labelmill.feed.order.counter_rng import key
from labelmill.feed.order.permutation import Order, RowIndex, permutation
from labelmill.live.kudu.plan import KuduPlan, Unit

_ROWS = 0xB10C
"""Separates the random numbers for rows within a window from those for units."""

_CACHED_EPOCHS = 4
"""Epochs whose windows are cached."""


@dataclass(frozen=True)
class Window:
    """Rows that are in memory together.

    Args:
        units: Units of the plan, in the order of the window.
        begin: Position of its first row in the epoch.
        end: Position after its last row.
        keyed: Key of the permutation of its rows; None: they come in the order of the units.
    """

    units: tuple[Unit, ...]
    begin: int
    end: int
    keyed: int | None

    @functools.cached_property
    def positions(self) -> RowIndex:
        """Position in the window of each row of the units, one unit after the other, ``(N,)``."""
        positions = np.arange(self.end - self.begin)
        if self.keyed is None:
            return positions
        return permutation(len(positions), self.keyed)(positions)

    @functools.cached_property
    def rows(self) -> RowIndex:
        """Rows of the index in the order in which they come, ``(N,)``."""
        own = np.concatenate([np.arange(unit.start, unit.stop) for unit in self.units])
        rows = np.empty_like(own)
        rows[self.positions] = own
        return rows


class Expected(NamedTuple):
    """Rows that the order returned last, and whose pixels are expected next."""

    epoch: int
    start: int
    stop: int
    rows: RowIndex


@dataclass(frozen=True, kw_only=True)
class WindowOrder(Order):
    """The order of a plan's rows, epoch by epoch.

    Args:
        plan: The plan.
        size: Most bytes of pixels in a window; it has at least one unit.
        on_rows: Called with the rows that are returned, so that the reader recognises them.
        on_request: Called with the requested epoch and position before the rows are computed.
    """

    plan: KuduPlan
    size: int
    on_rows: Callable[[Expected], None]
    on_request: Callable[[int, int], None] = lambda epoch, start: None

    def at(self, epoch: int, start: int, stop: int) -> tuple[RowIndex, RowIndex]:
        """See `Order.at`."""
        self.on_request(epoch, start)
        windows = self.windows(epoch)
        first = self._window_at(epoch, start)
        last = bisect.bisect_left(windows, stop, lo=first, key=_begin)
        within = windows[first:last] if start < stop else ()
        rows = np.concatenate(
            [np.zeros(0, np.int64)]
            + [w.rows[max(start - w.begin, 0) : stop - w.begin] for w in within]
        )
        self.on_rows(Expected(epoch, start, stop, rows))
        return rows, np.arange(start, stop)

    def reach(self, epoch: int, start: int) -> int:
        """Where the window ends: rows after it may not have been read yet."""
        return self.windows(epoch)[self._window_at(epoch, start)].end

    def from_(self, epoch: int, start: int, epochs: int | None) -> Iterator[tuple[int, Window]]:
        """Epochs and windows, from the one that contains a position to the end of a pass.

        Args:
            epoch: First epoch.
            start: Position in it.
            epochs: Epochs of a pass, which ends at a multiple of it; None: unbounded.
        """
        end = None if epochs is None else (epoch // epochs + 1) * epochs
        while end is None or epoch < end:
            for window in self.windows(epoch)[self._window_at(epoch, start) :]:
                yield epoch, window
            epoch, start = epoch + 1, 0

    def windows(self, epoch: int) -> tuple[Window, ...]:
        """The windows of an epoch; they differ by seed and epoch."""
        shuffled = epoch if self.shuffle else None
        found = self._cache.get(shuffled)
        if found is None:
            found = _divide_into_windows(self.plan.units, self.seed, shuffled, self.size)
            # Threads that read ahead may be one epoch further than the consumer.
            for old in list(self._cache)[: 1 - _CACHED_EPOCHS]:
                self._cache.pop(old, None)
            self._cache[shuffled] = found
        return found

    def _window_at(self, epoch: int, position: int) -> int:
        """Number of the window that contains a position."""
        return bisect.bisect_right(self.windows(epoch), position, key=_end)

    @functools.cached_property
    def _cache(self) -> dict[int | None, tuple[Window, ...]]:
        # Not an lru_cache: its key would hash all units again for every batch.
        return {}


def _begin(window: Window) -> int:
    return window.begin


def _end(window: Window) -> int:
    return window.end


def _divide_into_windows(
    units: tuple[Unit, ...], seed: int, epoch: int | None, size: int
) -> tuple[Window, ...]:
    numbers = np.arange(len(units))
    if epoch is not None:
        numbers = permutation(len(units), key(seed, epoch))(numbers)
    windows: list[Window] = []
    held: list[Unit] = []
    begin = end = bytes_held = 0
    for unit in [*(units[number] for number in numbers.tolist()), None]:
        if held and (unit is None or bytes_held + unit.size > size):
            keyed = None if epoch is None else key(seed, epoch, _ROWS, len(windows))
            windows.append(Window(tuple(held), begin, end, keyed))
            begin, held, bytes_held = end, [], 0
        if unit is not None:
            held.append(unit)
            end += unit.stop - unit.start
            bytes_held += unit.size
    return tuple(windows)
