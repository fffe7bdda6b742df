"""In which order images come straight from Kudu: a pure function of plan, seed and epoch.

Units are read whole, a window of several at a time. Units change places within an epoch, rows within
a window. A unit is a range of ids, which are hashes: a fair sample of its collection.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from labelmill.feed.draws import key
from labelmill.feed.order import Order, permutation
from labelmill.pipelines.kudu_plan import KuduPlan, Unit

Places = npt.NDArray[np.int64]

_ROWS = 0xB10C
"""Tells the draws of rows within a window from those of units."""


@dataclass(frozen=True)
class Window:
    """Rows that are in memory together.

    Args:
        units: Of the plan, in the order of the window.
        begin: Place of its first row in the epoch.
        keyed: What its order follows from; None: that of the units.
    """

    units: tuple[Unit, ...]
    begin: int
    keyed: int | None

    @property
    def end(self) -> int:
        """The place in the epoch after its last row."""
        return self.begin + sum(unit.stop - unit.start for unit in self.units)

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
        coming: Is told what is asked for, so that it can be read ahead.
    """

    plan: KuduPlan
    size: int
    coming: Callable[[Coming], None]

    def at(self, epoch: int, start: int, stop: int) -> tuple[Places, Places]:
        """See `Order.at`."""
        within = [w for w in self.windows(epoch) if w.begin < stop and start < w.end]
        rows = np.concatenate(
            [np.zeros(0, np.int64)]
            + [w.rows[max(start - w.begin, 0) : stop - w.begin] for w in within]
        )
        self.coming(Coming(epoch, start, stop, rows))
        return rows, np.arange(start, stop)

    def from_(self, epoch: int, start: int, epochs: int | None) -> Iterator[tuple[int, Window]]:
        """Epochs and windows, from the one that holds a place to the end of a pass.

        Args:
            epoch: The first.
            start: Place in it.
            epochs: Of a pass, which ends at multiples of it; None: without end.
        """
        end = None if epochs is None else (epoch // epochs + 1) * epochs
        while end is None or epoch < end:
            for window in self.windows(epoch):
                if window.end > start:
                    yield epoch, window
            epoch, start = epoch + 1, 0

    def windows(self, epoch: int) -> tuple[Window, ...]:
        """The windows of an epoch; those of another seed or epoch are others."""
        return _windows(self.plan.units, self.seed, epoch if self.shuffle else None, self.size)


@functools.lru_cache(8)
def _windows(
    units: tuple[Unit, ...], seed: int, epoch: int | None, size: int
) -> tuple[Window, ...]:
    numbers = np.arange(len(units))
    if epoch is not None:
        numbers = permutation(len(units), key(seed, epoch))(numbers)
    found: list[Window] = []
    held: list[Unit] = []
    begin = 0
    for unit in [*(units[number] for number in numbers.tolist()), None]:
        if held and (unit is None or sum(one.size for one in held) + unit.size > size):
            keyed = None if epoch is None else key(seed, epoch, _ROWS, len(found))
            found.append(Window(tuple(held), begin, keyed))
            begin, held = found[-1].end, []
        if unit is not None:
            held.append(unit)
    return tuple(found)
