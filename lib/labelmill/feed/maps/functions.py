"""A user's functions as maps.

`arrays` marks a function of numpy, in `.tf()` and `.numpy()` alike. Any other function is traced by
`.tf()`, as ``Dataset.map`` does, and called with numpy arrays by `.numpy()`. It gets one row, or a
whole batch if it is `batched`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from labelmill.errors import InputError
from labelmill.feed.maps.base import ArrayMap, RowArrays
from labelmill.feed.maps.elements import map_arrays, stack_elements


@dataclass(frozen=True)
class Batched:
    """A user's function that gets whole batches; see `batched`."""

    function: Callable[..., Any]

    def __call__(self, *given: Any) -> Any:
        """The function's result."""
        return self.function(*given)


@dataclass(frozen=True)
class RunBatched(ArrayMap):
    """A user's function over the arrays of one batch. See `arrays`."""

    function: Callable[..., Any]
    rowwise: ClassVar[bool] = False

    def __call__(self, rows: RowArrays) -> RowArrays:
        """The function's result for a batch."""
        found = _call(self.function, rows.element(), rows.targets is not None)
        return rows.of(found, rows.targets is not None)


@dataclass(frozen=True)
class RunRowwise(RunBatched):
    """A user's function over arrays whose result for a row does not depend on the other rows."""

    rowwise: ClassVar[bool] = True


@dataclass(frozen=True)
class EachRow(ArrayMap):
    """A user's function over one row, in numpy."""

    function: Callable[..., Any]

    def __call__(self, rows: RowArrays) -> RowArrays:
        """The function's results for each row, stacked."""
        element, learned = rows.element(), rows.targets is not None
        found = [
            _call(self.function, map_arrays(element, operator.itemgetter(number)), learned)
            for number in range(len(rows.draws.positions))
        ]
        return rows.of(stack_elements(found), learned)


def batched(function: Callable[..., Any]) -> Batched:
    """Marks a function that gets whole batches: tensors in `.tf()`, numpy arrays in `.numpy()`.

    Args:
        function: Gets (inputs, targets), or inputs alone, and returns the same, or (inputs, targets,
            weights).

    Example:
        >>> import numpy as np
        >>> scale = batched(lambda images, classes: (images / np.float32(255), classes))
        >>> images, classes = scale(np.full((2, 4, 4, 1), 255, np.uint8), np.array([0, 1]))
        >>> images.dtype.name, float(images.max())
        ('float32', 1.0)
    """
    return Batched(function)


def arrays(function: Callable[..., Any], rowwise: bool = False) -> ArrayMap:
    """Marks a function that gets whole batches as numpy arrays, in `.tf()` too.

    In `.tf()` it must come before functions of TensorFlow. It is first called with one row, to learn
    its result's shape and dtype, and must return one row then.

    Args:
        function: Gets (inputs, targets), or inputs alone, and returns the same, or (inputs, targets,
            weights).
        rowwise: Its result for a row does not depend on the other rows. Then it may get rows of
            several batches at once, and be a ``cache``.

    Example:
        >>> inverted = arrays(lambda images, classes: (255 - images, classes), rowwise=True)
        >>> inverted.rowwise
        True
    """
    return RunRowwise(function) if rowwise else RunBatched(function)


def _call(function: Callable[..., Any], given: Any, learned: bool) -> Any:
    found = function(*given) if isinstance(given, tuple) else function(given)
    if learned and not (isinstance(found, tuple) and len(found) in (2, 3)):
        name = getattr(function, "__name__", str(function))
        raise InputError(
            f"the map {name!r} returned {type(found).__name__}; expected a pair (inputs, targets), or "
            "(inputs, targets, weights)"
        )
    return found
