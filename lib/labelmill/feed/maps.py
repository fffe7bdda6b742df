"""Maps: what happens to rows between training set and model.

A map over arrays runs in numpy, in `.tf()` and `.numpy()` alike, and may be random (`augment`) because
it is told which rows it works on. Any other function is the user's: `.tf()` traces it like
``Dataset.map`` does, `.numpy()` calls it with numpy arrays. It gets one row unless it is `batched`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from labelmill.domain.preparation import Preparation
from labelmill.errors import InputError
from labelmill.feed.draws import Draws
from labelmill.feed.pixels import empty


@dataclass(frozen=True)
class Rows:
    """Some rows on their way.

    Args:
        inputs: Images ``(N, H, W, C)`` or a list of ``(H, W, C)``; of records a dict of ``(N,)``.
        targets: ``(N, …)``, a list of masks, or None.
        masks: Targets are masks: what moves pixels moves them too.
        draws: Random numbers for these rows.
    """

    inputs: Any
    targets: Any
    masks: bool
    draws: Draws

    def part(self, rows: slice) -> Rows:
        """Some of them."""
        return Rows(
            {k: v[rows] for k, v in self.inputs.items()}
            if isinstance(self.inputs, dict)
            else self.inputs[rows],
            None if self.targets is None else self.targets[rows],
            self.masks,
            self.draws.rows(rows),
        )

    def element(self) -> Any:
        """Inputs and targets as a model is fed: a pair, or inputs alone where nothing is learned."""
        return self.inputs if self.targets is None else (self.inputs, self.targets)


class ArrayMap:
    """A map over arrays. Rows in, rows out, as many as came, each by itself."""

    rowwise: ClassVar[bool] = True
    """It does not matter which rows come together, so many batches may go through at once."""

    random: ClassVar[bool] = False
    """It draws: another result each epoch."""

    def __call__(self, rows: Rows) -> Rows:
        """The rows after the map."""
        raise NotImplementedError


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
        given = rows.element()
        found = self.function(*given) if isinstance(given, tuple) else self.function(given)
        if rows.targets is None:
            return replace(rows, inputs=found)
        if not isinstance(found, tuple) or len(found) != 2:
            raise _no_pair(self.function, found)
        return replace(rows, inputs=found[0], targets=found[1])


@dataclass(frozen=True)
class EachRow(ArrayMap):
    """A user's function over one row, in numpy."""

    function: Callable[..., Any]

    def __call__(self, rows: Rows) -> Rows:
        """What the function makes of each row, put together again."""
        found = []
        for number in range(len(rows.draws.places)):
            one = rows.part(slice(number, number + 1))
            inputs = (
                {k: v[0] for k, v in one.inputs.items()}
                if isinstance(one.inputs, dict)
                else one.inputs[0]
            )
            given = (inputs,) if one.targets is None else (inputs, one.targets[0])
            found.append(self.function(*given))
        if rows.targets is None:
            return replace(rows, inputs=_put_together(found))
        pairs = [answer for answer in found if isinstance(answer, tuple) and len(answer) == 2]
        if len(pairs) < len(found):
            raise _no_pair(self.function, found[0])
        return replace(
            rows,
            inputs=_put_together([pair[0] for pair in pairs]),
            targets=_put_together([pair[1] for pair in pairs]),
        )


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


def arrays(function: Callable[..., Any]) -> ArrayMap:
    """Marks a function that gets whole batches as numpy arrays, in `.tf()` too.

    In `.tf()` it stands before functions of TensorFlow. It is tried with one row, to learn what shape
    and dtype come of it, and must give one row back.
    """
    return RunBatched(function)


def images_in(rows: Rows, name: str) -> Any:
    """The images of rows.

    Raises:
        InputError: They are records.
    """
    if isinstance(rows.inputs, dict):
        raise InputError(f"the map {name!r} is for images; these rows are records")
    return rows.inputs


def stacked(parts: Sequence[np.ndarray[Any, Any]]) -> Any:
    """``(N, …)`` where all shapes and dtypes agree, else the list."""
    if not parts or len({(part.shape, part.dtype) for part in parts}) > 1:
        return list(parts)
    return np.stack(parts, out=empty((len(parts), *parts[0].shape), parts[0].dtype))


def _put_together(found: list[Any]) -> Any:
    if isinstance(found[0], dict):
        return {name: stacked([np.asarray(f[name]) for f in found]) for name in found[0]}
    return stacked([np.asarray(f) for f in found])


def _no_pair(function: Callable[..., Any], found: Any) -> InputError:
    name = getattr(function, "__name__", str(function))
    return InputError(
        f"the map {name!r} gave {type(found).__name__}; expected a pair (inputs, targets)"
    )


def _nearest(mask: np.ndarray[Any, Any], size: Sequence[int]) -> np.ndarray[Any, Any]:
    # Values of a mask are names of things: blended they would name something else.
    rows, columns = (
        (np.arange(new) + 0.5) * old / new for new, old in zip(size, mask.shape, strict=False)
    )
    return np.asarray(mask[rows.astype(np.int64)[:, None], columns.astype(np.int64)])
