"""Maps: what happens to rows between training set and model.

A map over arrays runs in numpy, in `.tf()` and `.numpy()` alike, and may be random (`augment`) because
it is told which rows it works on. Any other function is the user's: `.tf()` traces it like
``Dataset.map`` does, `.numpy()` calls it with numpy arrays. It gets one row unless it is `batched`.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from labelmill.domain.models.preparation import Preparation
from labelmill.errors import InputError
from labelmill.feed.maps.elements import leaves, shaped, stacked, together
from labelmill.feed.order.counter_rng import Draws


@dataclass(frozen=True)
class Rows:
    """Some rows on their way.

    Args:
        inputs: Images ``(N, H, W, C)`` or a list of ``(H, W, C)``; of records a dict of ``(N,)``.
        targets: ``(N, …)``, a list of masks, or None.
        masks: Targets are masks: what moves pixels moves them too.
        draws: Random numbers for these rows.
        weights: How much each row counts, when a map says so.
    """

    inputs: Any
    targets: Any
    masks: bool
    draws: Draws
    weights: Any = None

    def part(self, rows: slice) -> Rows:
        """Some of them."""
        some = shaped(self.element(), operator.itemgetter(rows))
        return replace(self, draws=self.draws.rows(rows)).of(some, self.targets is not None)

    def element(self) -> Any:
        """What a model is fed: inputs, targets and weights, as many of them as there are."""
        if self.targets is None:
            return self.inputs
        pair = self.inputs, self.targets
        return pair if self.weights is None else (*pair, self.weights)

    def of(self, element: Any, learned: bool) -> Rows:
        """These rows with other arrays.

        Args:
            element: As `element` says.
            learned: It has targets.
        """
        if not learned:
            return replace(self, inputs=element, targets=None, weights=None)
        return replace(
            self, inputs=element[0], targets=element[1],
            weights=element[2] if len(element) == 3 else None,
        )  # fmt: skip


class ArrayMap(ABC):
    """A map over arrays. Rows in, rows out, as many as came, each by itself."""

    rowwise: ClassVar[bool] = True
    """It does not matter which rows come together, so many batches may go through at once."""

    random: ClassVar[bool] = False
    """It draws: another result each epoch."""

    @abstractmethod
    def __call__(self, rows: Rows) -> Rows:
        """The rows after the map."""


@dataclass(frozen=True)
class Prepared(ArrayMap):
    """Images as a model's preparation makes them, float32; masks follow ``resize`` by the nearest pixel."""

    preparation: Preparation

    def __call__(self, rows: Rows) -> Rows:
        """Prepared rows.

        Raises:
            InputError: Records; images that the preparation refuses.
        """
        images = images_in(rows, "prepared")
        if isinstance(images, list):
            # One by one: what stays in mixed shapes may be cropped behind this.
            images = stacked([self.preparation.apply(image[None])[0] for image in images])
        else:
            images = self.preparation.apply(images)
        targets = rows.targets
        if rows.masks:
            pairs = zip(targets, images, strict=True)
            targets = stacked([_nearest(mask, image.shape[:2]) for mask, image in pairs])
        return replace(rows, inputs=images, targets=targets)


@dataclass(frozen=True)
class Batched:
    """A user's function that gets whole batches; see `batched`."""

    function: Callable[..., Any]

    def __call__(self, *given: Any) -> Any:
        """What the function says."""
        return self.function(*given)


@dataclass(frozen=True)
class RunBatched(ArrayMap):
    """A user's function over the arrays of one batch."""

    function: Callable[..., Any]
    rowwise: ClassVar[bool] = False

    def __call__(self, rows: Rows) -> Rows:
        """What the function makes of a batch."""
        found = _answer(self.function, rows.element(), rows.targets is not None)
        return rows.of(found, rows.targets is not None)


@dataclass(frozen=True)
class RunRowwise(RunBatched):
    """The same of a function that looks at each row by itself."""

    rowwise: ClassVar[bool] = True


@dataclass(frozen=True)
class EachRow(ArrayMap):
    """A user's function over one row, in numpy."""

    function: Callable[..., Any]

    def __call__(self, rows: Rows) -> Rows:
        """What the function makes of each row, put together again."""
        element, learned = rows.element(), rows.targets is not None
        found = [
            _answer(self.function, shaped(element, operator.itemgetter(number)), learned)
            for number in range(len(rows.draws.places))
        ]
        return rows.of(together(found), learned)


def prepared(preparation: Preparation | Sequence[object]) -> ArrayMap:
    """A map that prepares images the way a model of that preparation sees them.

    Args:
        preparation: A preparation, or its steps as a sweep file writes them.

    Raises:
        UnknownName: No such step.
        InputError: An argument that cannot be meant.
    """
    if not isinstance(preparation, Preparation):
        preparation = Preparation.parse(preparation)
    return Prepared(preparation)


def batched(function: Callable[..., Any]) -> Batched:
    """Marks a function that gets whole batches: TensorFlow's operations in `.tf()`, numpy in `.numpy()`."""
    return Batched(function)


def arrays(function: Callable[..., Any], rowwise: bool = False) -> ArrayMap:
    """Marks a function that gets whole batches as numpy arrays, in `.tf()` too.

    In `.tf()` it stands before functions of TensorFlow. It is tried with one row, to learn what shape
    and dtype come of it, and must give one row back.

    Args:
        function: What it gives is what a model is fed: (inputs, targets), or with weights as third.
        rowwise: What it makes of a row does not depend on the rows beside it. Then it may get rows of
            several batches at once, and be a ``cache``.
    """
    return RunRowwise(function) if rowwise else RunBatched(function)


def checked(change: ArrayMap, made: Rows, count: int) -> Rows:
    """The rows that a map made.

    Raises:
        InputError: They are not as many as it got.
    """
    lengths = (
        {len(made.inputs)}
        if isinstance(made.inputs, list)
        else {np.shape(leaf)[0] if np.ndim(leaf) else 0 for leaf in leaves(made.element())}
    )
    if lengths != {count}:
        raise InputError(
            f"the map {change} gave {sorted(lengths)} rows for {count}; expected as many as it gets"
        )
    return made


def images_in(rows: Rows, name: str) -> Any:
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


def _answer(function: Callable[..., Any], given: Any, learned: bool) -> Any:
    found = function(*given) if isinstance(given, tuple) else function(given)
    if learned and not (isinstance(found, tuple) and len(found) in (2, 3)):
        name = getattr(function, "__name__", str(function))
        raise InputError(
            f"the map {name!r} gave {type(found).__name__}; expected a pair (inputs, targets), or "
            "(inputs, targets, weights)"
        )
    return found


def _nearest(mask: np.ndarray[Any, Any], size: Sequence[int]) -> np.ndarray[Any, Any]:
    # Values of a mask are names of things: blended they would name something else.
    rows, columns = (
        (np.arange(new) + 0.5) * old / new for new, old in zip(size, mask.shape, strict=False)
    )
    return np.asarray(mask[rows.astype(np.int64)[:, None], columns.astype(np.int64)])
