"""Rows kept in memory, as they are or after a map that is not random: done once, not each epoch."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from labelmill.array_pool import empty
from labelmill.errors import InputError
from labelmill.feed.maps.base import ArrayMap, Rows, checked
from labelmill.feed.order.counter_rng import Draws

Places = npt.NDArray[np.int64]


class Taking(Protocol):
    """Where rows are taken from."""

    @property
    def masks(self) -> bool:
        """Targets are masks."""

    def __len__(self) -> int:
        """How many rows there are."""

    def take(self, rows: Places) -> tuple[Any, Any]:
        """Inputs and targets of rows."""


class Kept:
    """Rows that are read, and mapped, when they are first taken.

    Args:
        source: Where they are read.
        change: What happens to them before they are kept; None: nothing.
    """

    def __init__(self, source: Taking, change: ArrayMap | None) -> None:
        self._source, self._change = source, change
        self._have = np.zeros(len(source), bool)
        self._inputs: npt.NDArray[Any] | None = None
        self._targets: npt.NDArray[Any] | None = None

    @property
    def masks(self) -> bool:
        """Targets are masks."""
        return self._source.masks

    def __len__(self) -> int:
        return len(self._source)

    def take(self, rows: Places) -> tuple[Any, Any]:
        """Inputs and targets of rows.

        Raises:
            InputError: Images of mixed shapes.
        """
        missing = np.unique(rows[~self._have[rows]])
        if len(missing):
            self._keep(missing)
        return _taken(self._inputs, rows), _taken(self._targets, rows)

    def _keep(self, rows: Places) -> None:
        inputs, targets = self._source.take(rows)
        if self._change is not None:
            # The map is not random: it asks for no draws.
            given = Rows(inputs, targets, self.masks, Draws(0, 0, rows.astype(np.uint64)))
            made = checked(self._change, self._change(given), len(rows))
            inputs, targets = made.inputs, made.targets
            if made.weights is not None:
                raise InputError("cache keeps inputs and targets; let a map= give weights")
        if not isinstance(inputs, np.ndarray) or not isinstance(targets, np.ndarray | None):
            raise InputError(
                "cache keeps images of one shape, received mixed shapes or records; let "
                "cache=prepared(…) make images one shape, and leave records to the page cache"
            )
        if self._inputs is None:
            self._inputs = empty((len(self), *inputs.shape[1:]), inputs.dtype)
            if targets is not None:
                self._targets = empty((len(self), *targets.shape[1:]), targets.dtype)
        self._inputs[rows] = inputs
        if self._targets is not None:
            self._targets[rows] = targets
        self._have[rows] = True


def _taken(kept: npt.NDArray[Any] | None, rows: Places) -> Any:
    if kept is None:
        return None
    out = empty((len(rows), *kept.shape[1:]), kept.dtype)
    return np.take(kept, rows, axis=0, out=out, mode="clip")
