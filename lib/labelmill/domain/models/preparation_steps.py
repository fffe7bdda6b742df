"""The steps of a preparation: checks of arguments, and arithmetic. See ``preparation``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from labelmill.errors import InputError

Batch = npt.NDArray[np.float32]
"""``(N, H, W, C)``."""

Argument = float | tuple[float, ...] | None

LARGEST_SIDE = 4096
"""Pixels; a larger model input is taken for a typing error."""

ON_SCALED = ("invert", "threshold", "standardise")
"""Steps whose arguments refer to scaled samples."""

AFTER_ALPHA = ("grey", *ON_SCALED)
"""Steps that change colours, so that alpha no longer belongs to them."""

_LUMA = tuple(np.float32(weight) for weight in (0.299, 0.587, 0.114))


class Step(NamedTuple):
    """One step.

    Args:
        name: A key of :data:`STEPS`.
        argument: Number, pair, or None.
    """

    name: str
    argument: Argument = None


def number(step: Step) -> float:
    """The step's argument, which is a number."""
    assert isinstance(step.argument, (int, float))
    return step.argument


def pair(step: Step) -> tuple[float, float]:
    """The step's argument, which is a pair."""
    assert isinstance(step.argument, tuple)
    return step.argument[0], step.argument[1]


def check_step(name: str, argument: object) -> Step:
    """Checks a step's argument and returns the step.

    Raises:
        InputError: An invalid argument; says what is expected.
    """
    if name in ("grey", "invert"):
        if argument is not None:
            raise InputError(f"preparation step {name!r} takes no argument, received {argument!r}")
        return Step(name)
    if name == "resize":
        sides = argument if isinstance(argument, (list, tuple)) else ()
        if len(sides) != 2 or not all(type(n) is int and 1 <= n <= LARGEST_SIDE for n in sides):
            raise _invalid_argument(
                "resize: [height, width]", f"whole numbers of 1 to {LARGEST_SIDE}", argument
            )
        return Step(name, (sides[0], sides[1]))
    if name in ("threshold", "background"):
        if not _is_number(argument) or not 0 <= float(argument) <= 1:  # type: ignore[arg-type]
            form = "threshold: t" if name == "threshold" else "background: b"
            raise _invalid_argument(form, "0 to 1", argument)
        return Step(name, float(argument))  # type: ignore[arg-type]
    if name == "scale":
        if not _is_number(argument) or float(argument) <= 0:  # type: ignore[arg-type]
            raise _invalid_argument("scale: divisor", "a number above 0", argument)
        return Step(name, float(argument))  # type: ignore[arg-type]
    values = argument if isinstance(argument, (list, tuple)) else ()
    if len(values) != 2 or not all(_is_number(v) for v in values) or values[1] <= 0:
        raise _invalid_argument("standardise: [mean, std]", "two numbers, std above 0", argument)
    return Step(name, (float(values[0]), float(values[1])))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _invalid_argument(form: str, expected: str, argument: object) -> InputError:
    return InputError(f"expected preparation step `{form}` with {expected}, received {argument!r}")


def _background(batch: Batch, step: Step, full: np.float32) -> Batch:
    channels = batch.shape[3]
    if channels not in (2, 4):
        return batch
    alpha = batch[..., -1:] / full
    behind = np.float32(number(step)) * full
    return np.asarray(batch[..., :-1] * alpha + behind * (np.float32(1) - alpha))


def _grey(batch: Batch, step: Step, full: np.float32) -> Batch:
    channels = batch.shape[3]
    if channels >= 3:
        red, green, blue = (batch[..., i : i + 1] * _LUMA[i] for i in range(3))
        grey = (red + green) + blue
    else:
        grey = batch[..., :1]
    if channels in (2, 4):
        # Composited on black: transparent pixels become 0, the background of white-on-black digits.
        grey = grey * (batch[..., -1:] / full)
    return np.asarray(grey)


def _resize(batch: Batch, step: Step, full: np.float32) -> Batch:
    height, width = (int(n) for n in pair(step))
    if batch.shape[1:3] == (height, width):
        return batch
    count, _, _, channels = batch.shape
    out = np.empty((count, height, width, channels), np.float32)
    for i in range(count):
        for c in range(channels):
            plane = Image.fromarray(np.ascontiguousarray(batch[i, :, :, c]))
            out[i, :, :, c] = np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR))
    return out


def _invert(batch: Batch, step: Step, full: np.float32) -> Batch:
    return np.subtract(np.float32(1), batch)


def _threshold(batch: Batch, step: Step, full: np.float32) -> Batch:
    return (batch >= np.float32(number(step))).astype(np.float32)


def _scale(batch: Batch, step: Step, full: np.float32) -> Batch:
    return batch  # done when samples became float32


def _standardise(batch: Batch, step: Step, full: np.float32) -> Batch:
    mean, std = pair(step)
    return (batch - np.float32(mean)) / np.float32(std)


STEPS: dict[str, Callable[[Batch, Step, np.float32], Batch]] = {
    "background": _background,
    "grey": _grey,
    "resize": _resize,
    "invert": _invert,
    "threshold": _threshold,
    "scale": _scale,
    "standardise": _standardise,
}
"""Name → arithmetic. Each takes the batch, the step and the value a full sample has after scaling."""
