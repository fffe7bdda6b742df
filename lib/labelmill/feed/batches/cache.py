"""Rows cached in memory, as read or after a map that is not random."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from labelmill.array_pool import empty
from labelmill.errors import InputError
from labelmill.feed.maps.base import ArrayMap, RowArrays, check_rows
from labelmill.feed.order.counter_rng import Draws
from labelmill.feed.order.permutation import RowIndex


class RowSource(Protocol):
    """Rows by number: a split, or a cache in front of it."""

    @property
    def masks(self) -> bool:
        """Whether targets are masks."""

    def __len__(self) -> int:
        """Number of rows."""

    def take(self, rows: RowIndex) -> tuple[Any, Any]:
        """Inputs and targets of rows."""


class RowCache:
    """Rows that are read, and mapped, when they are first needed.

    Args:
        source: Where they are read.
        change: Applied to rows before they are cached; None: nothing.
    """

    def __init__(self, source: RowSource, change: ArrayMap | None) -> None:
        self._source, self._change = source, change
        self._have = np.zeros(len(source), bool)
        self._inputs: npt.NDArray[Any] | None = None
        self._targets: npt.NDArray[Any] | None = None

    @property
    def masks(self) -> bool:
        """Whether targets are masks."""
        return self._source.masks

    def __len__(self) -> int:
        return len(self._source)

    def take(self, rows: RowIndex) -> tuple[Any, Any]:
        """Inputs and targets of rows.

        Raises:
            InputError: Images of mixed shapes.
        """
        missing = np.unique(rows[~self._have[rows]])
        if len(missing):
            self._load(missing)
        return _gather(self._inputs, rows), _gather(self._targets, rows)

    def _load(self, rows: RowIndex) -> None:
        inputs, targets = self._source.take(rows)
        if self._change is not None:
            # The map is not random: it makes no draws.
            given = RowArrays(inputs, targets, self.masks, Draws(0, 0, rows.astype(np.uint64)))
            made = check_rows(self._change, self._change(given), len(rows))
            inputs, targets = made.inputs, made.targets
            if made.weights is not None:
                raise InputError("the cache holds inputs and targets; add weights with map=")
        if not isinstance(inputs, np.ndarray) or not isinstance(targets, np.ndarray | None):
            raise InputError(
                "the cache holds images of one shape, received mixed shapes or records; make images "
                "one shape with cache=prepared(…), and leave records to the page cache"
            )
        if self._inputs is None:
            self._inputs = empty((len(self), *inputs.shape[1:]), inputs.dtype)
            if targets is not None:
                self._targets = empty((len(self), *targets.shape[1:]), targets.dtype)
        self._inputs[rows] = inputs
        if self._targets is not None:
            self._targets[rows] = targets
        self._have[rows] = True


def _gather(cached: npt.NDArray[Any] | None, rows: RowIndex) -> Any:
    if cached is None:
        return None
    out = empty((len(rows), *cached.shape[1:]), cached.dtype)
    return np.take(cached, rows, axis=0, out=out, mode="clip")
