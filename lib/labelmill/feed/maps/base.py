"""Maps over arrays: what happens to rows between a training set and a model, in numpy.

They run in `.tf()` and `.numpy()` alike, and may be random, because they know which rows they get.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from labelmill.errors import InputError
from labelmill.feed.maps.elements import leaves, map_arrays
from labelmill.feed.order.counter_rng import Draws


@dataclass(frozen=True)
class RowArrays:
    """Some rows as arrays: what a map gets and returns.

    Args:
        inputs: Images ``(N, H, W, C)`` or a list of ``(H, W, C)``; of records a dict of ``(N,)``.
        targets: ``(N, …)``, a list of masks, or None.
        masks: Targets are masks: what moves pixels moves them too.
        draws: Random numbers for these rows.
        weights: Sample weights ``(N,)``, when a map adds them.
    """

    inputs: Any
    targets: Any
    masks: bool
    draws: Draws
    weights: Any = None

    def part(self, rows: slice) -> RowArrays:
        """Some of the rows."""
        some = map_arrays(self.element(), operator.itemgetter(rows))
        return replace(self, draws=self.draws.rows(rows)).of(some, self.targets is not None)

    def element(self) -> Any:
        """What a model is fed: inputs, (inputs, targets) or (inputs, targets, weights)."""
        if self.targets is None:
            return self.inputs
        pair = self.inputs, self.targets
        return pair if self.weights is None else (*pair, self.weights)

    def of(self, element: Any, learned: bool) -> RowArrays:
        """These rows with other arrays.

        Args:
            element: As `element` returns it.
            learned: It has targets.
        """
        if not learned:
            return replace(self, inputs=element, targets=None, weights=None)
        return replace(
            self, inputs=element[0], targets=element[1],
            weights=element[2] if len(element) == 3 else None,
        )  # fmt: skip


class ArrayMap(ABC):
    """A map over arrays. It returns as many rows as it gets, in their order."""

    rowwise: ClassVar[bool] = True
    """A row's result does not depend on the other rows, so several batches may be mapped at once."""

    random: ClassVar[bool] = False
    """It draws random numbers: a different result each epoch."""

    @abstractmethod
    def __call__(self, rows: RowArrays) -> RowArrays:
        """The rows after the map."""


class Augmentation(ArrayMap):
    """A random map."""

    random: ClassVar[bool] = True


def check_rows(change: ArrayMap, made: RowArrays, count: int) -> RowArrays:
    """The rows that a map returned.

    Raises:
        InputError: Not as many as it got.
    """
    lengths = (
        {len(made.inputs)}
        if isinstance(made.inputs, list)
        else {np.shape(leaf)[0] if np.ndim(leaf) else 0 for leaf in leaves(made.element())}
    )
    if lengths != {count}:
        raise InputError(
            f"the map {change} returned {sorted(lengths)} rows for {count}; expected as many as it received"
        )
    return made


def images_in(rows: RowArrays, name: str) -> Any:
    """The images of rows.

    Raises:
        InputError: They are records.
    """
    if isinstance(rows.inputs, dict | tuple):
        raise InputError(
            f"the map {name!r} is for images; these rows are records, or another map made several "
            "inputs of them"
        )
    return rows.inputs
