"""In which order images come straight from Kudu: a pure function of plan, seed and epoch.

Units are read whole, a window of several at a time. Units change places within an epoch, rows within
a window. A unit is a range of ids, which are hashes: a fair sample of its collection.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from labelmill.feed.order.counter_rng import key
from labelmill.feed.order.permutation import Order, permutation
from labelmill.live.kudu.plan import KuduPlan, Unit

Places = npt.NDArray[np.int64]

_ROWS = 0xB10C
"""Tells the draws of rows within a window from those of units."""

_KEPT = 4
"""Epochs whose windows are kept."""


@dataclass(frozen=True)
class Window:
    """Rows that are in memory together.

    Args:
        units: Of the plan, in the order of the window.
        begin: Place of its first row in the epoch.
        end: The place after its last row.
        keyed: What its order follows from; None: that of the units.
    """

    units: tuple[Unit, ...]
    begin: int
    end: int
    keyed: int | None

    @functools.cached_property
    def places(self) -> Places:
        """Where in the window each row of the units comes, one unit after the other, ``(N,)``."""
        places = np.arange(self.end - self.begin)
        return places if self.keyed is None else permutation(len(places), self.keyed)(places)

    @functools.cached_property
    def rows(self) -> Places:
        """Rows of the index in the order in which they come, ``(N,)``."""
        own = np.concatenate([np.arange(unit.start, unit.stop) for unit in self.units])
        rows = np.empty_like(own)
        rows[self.places] = own
        return rows


class Coming(NamedTuple):
    """Rows that were asked for last."""

    epoch: int
    start: int
    stop: int
    rows: Places


@dataclass(frozen=True, kw_only=True)
class WindowOrder(Order):
    """The order of a plan's rows, epoch by epoch.

    Args:
        plan: What there is.
        size: Bytes of pixels in a window; it has one unit at least.
        coming: Is told what was asked for, so that it is known again.
        soon: Is told which epoch and place are asked for, before their rows are worked out.
    """

    plan: KuduPlan
    size: int
    coming: Callable[[Coming], None]
    soon: Callable[[int, int], None] = lambda epoch, start: None

    def at(self, epoch: int, start: int, stop: int) -> tuple[Places, Places]:
        """See `Order.at`."""
        self.soon(epoch, start)
        windows = self.windows(epoch)
        first = self._window_of(epoch, start)
        last = bisect.bisect_left(windows, stop, lo=first, key=_begin)
        within = windows[first:last] if start < stop else ()
        rows = np.concatenate(
            [np.zeros(0, np.int64)]
            + [w.rows[max(start - w.begin, 0) : stop - w.begin] for w in within]
        )
        self.coming(Coming(epoch, start, stop, rows))
        return rows, np.arange(start, stop)

    def reach(self, epoch: int, start: int) -> int:
        """Where the window ends: what comes after it may not be read yet."""
        return self.windows(epoch)[self._window_of(epoch, start)].end

    def from_(self, epoch: int, start: int, epochs: int | None) -> Iterator[tuple[int, Window]]:
        """Epochs and windows, from the one that holds a place to the end of a pass.

        Args:
            epoch: The first.
            start: Place in it.
            epochs: Of a pass, which ends at multiples of it; None: without end.
        """
        end = None if epochs is None else (epoch // epochs + 1) * epochs
        while end is None or epoch < end:
            for window in self.windows(epoch)[self._window_of(epoch, start) :]:
                yield epoch, window
            epoch, start = epoch + 1, 0

    def windows(self, epoch: int) -> tuple[Window, ...]:
        """The windows of an epoch; those of another seed or epoch are others."""
        shuffled = epoch if self.shuffle else None
        found = self._known.get(shuffled)
        if found is None:
            found = _windows(self.plan.units, self.seed, shuffled, self.size)
            # Whoever reads ahead may be an epoch further than whoever takes.
            for old in list(self._known)[: 1 - _KEPT]:
                self._known.pop(old, None)
            self._known[shuffled] = found
        return found

    def _window_of(self, epoch: int, place: int) -> int:
        """Number of the window that a place is in."""
        return bisect.bisect_right(self.windows(epoch), place, key=_end)

    @functools.cached_property
    def _known(self) -> dict[int | None, tuple[Window, ...]]:
        # Kept with the order: to find them by all their units would look at each, for every batch.
        return {}


def _begin(window: Window) -> int:
    return window.begin


def _end(window: Window) -> int:
    return window.end


def _windows(
    units: tuple[Unit, ...], seed: int, epoch: int | None, size: int
) -> tuple[Window, ...]:
    numbers = np.arange(len(units))
    if epoch is not None:
        numbers = permutation(len(units), key(seed, epoch))(numbers)
    found: list[Window] = []
    held: list[Unit] = []
    begin = end = bytes_held = 0
    for unit in [*(units[number] for number in numbers.tolist()), None]:
        if held and (unit is None or bytes_held + unit.size > size):
            keyed = None if epoch is None else key(seed, epoch, _ROWS, len(found))
            found.append(Window(tuple(held), begin, end, keyed))
            begin, held, bytes_held = end, [], 0
        if unit is not None:
            held.append(unit)
            end += unit.stop - unit.start
            bytes_held += unit.size
    return tuple(found)
