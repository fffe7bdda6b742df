"""The declared, recorded pixel pipeline between image and model.

Training, sweeps, evaluation, batch prediction and the stream all prepare through this one module,
and the steps travel inside the model's artifact: a model never meets pixels prepared otherwise.

Steps run in the order given. Pixels become float32 first, divided by their dtype's range (so 0..1)
or by ``scale``:

================================  ==============================================================
``background: b``                 lays alpha on this brightness, 0..1, and drops it; before ``grey``,
                                  ``invert``, ``threshold``, ``standardise``
``grey``                          one channel: ITU-R BT.601 luma (0.299 R + 0.587 G + 0.114 B, the
                                  weights of Pillow's ``L``); alpha that is still there is laid on
                                  black
``resize: [height, width]``       bilinear; shrinking averages over all source pixels (Pillow)
``invert``                        1 − x
``threshold: t``                  1 where x ≥ t, else 0
``scale: d``                      divide raw samples by d instead of the range; before any of
                                  ``invert``, ``threshold``, ``standardise``
``standardise: [mean, std]``      (x − mean) / std
================================  ==============================================================

Every step works on each image by itself, with no sums whose order could depend on neighbours: an
image gets the same bits alone and in any batch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from labelmill.array_pool import empty
from labelmill.domain.codecs.pixels import Pixels
from labelmill.domain.models import preparation_steps as steps_of
from labelmill.domain.models.preparation_steps import STEPS, Step
from labelmill.errors import InputError, UnknownName

PIECE_BYTES = 4 << 20
"""About how many bytes of float32 pixels are prepared at once; some steps take a few times as much."""

_FLOAT = 4

_TEMPORARIES = 4
"""Arrays of the size of a piece that steps have at a time, measured: 2 to 4."""

Prepared: TypeAlias = npt.NDArray[np.float32]
Shape: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class Preparation:
    """A sequence of steps; equal when the steps are.

    Args:
        steps: Checked steps, in order. Use :meth:`parse`.
    """

    steps: tuple[Step, ...] = ()

    @classmethod
    def parse(cls, steps: Sequence[object] | None) -> Preparation:
        """Reads steps as written in a sweep file: names, or one-key mappings name → argument.

        Raises:
            UnknownName: No such step; suggests the closest match.
            InputError: An invalid argument, a duplicate step, or ``scale`` too late.
        """
        if steps is None:
            return cls()
        if isinstance(steps, (str, bytes, dict)) or not isinstance(steps, Sequence):
            raise InputError(f"expected a list of preparation steps, received {steps!r}")
        parsed = tuple(_step(item) for item in steps)
        names = [step.name for step in parsed]
        for name in names:
            if names.count(name) > 1:
                raise InputError(
                    f"preparation step {name!r} is given {names.count(name)} times; give it once"
                )
        if "background" in names:
            late = [n for n in names[: names.index("background")] if n in steps_of.AFTER_ALPHA]
            if late:
                raise InputError(f"preparation step 'background' must come before {late[0]!r}")
        if "scale" in names:
            late = [n for n in names[: names.index("scale")] if n in steps_of.ON_SCALED]
            if late:
                raise InputError(f"preparation step 'scale' must come before {late[0]!r}")
        return cls(parsed)

    @classmethod
    def from_json(cls, text: str) -> Preparation:
        """Reads what :meth:`to_json` wrote.

        Raises:
            InputError: Not JSON, or not steps.
        """
        try:
            steps = json.loads(text)
        except (TypeError, ValueError) as error:
            raise InputError(f"expected a JSON list of preparation steps: {error}") from None
        if not isinstance(steps, list):
            raise InputError(f"expected a JSON list of preparation steps, received {text[:80]!r}")
        return cls.parse(steps)

    def to_list(self) -> list[object]:
        """The steps as a sweep file writes them."""
        return [
            step.name if step.argument is None else {step.name: _plain(step.argument)}
            for step in self.steps
        ]

    def to_json(self) -> str:
        """Canonical JSON list of the steps."""
        return json.dumps(self.to_list(), separators=(",", ":"))

    def output_shape(self, input_shape: Sequence[int]) -> Shape:
        """``(H, W, C)`` after preparation of images of ``(H, W, C)``."""
        height, width, channels = (int(n) for n in input_shape)
        for step in self.steps:
            if step.name == "grey":
                channels = 1
            elif step.name == "background":
                channels -= channels in (2, 4)
            elif step.name == "resize":
                height, width = (int(n) for n in steps_of.pair(step))
        return height, width, channels

    def apply(self, images: Sequence[Pixels] | Pixels) -> Prepared:
        """Prepares images for a model.

        Args:
            images: ``(N, H, W, C)``, or a sequence of ``(H, W, C)``; uint8 or uint16, 1..4 channels.

        Returns:
            ``(N, H, W, C)`` float32; for no images, ``N`` is 0 and the other sizes are those of the
            array, or of ``resize`` and ``grey``.

        Raises:
            InputError: Another dtype or shape, or images of mixed shapes after preparation.
        """
        if isinstance(images, np.ndarray) and images.ndim == 4:
            _check(images.dtype, images.shape[1:])
            if images.size * _FLOAT <= PIECE_BYTES:
                return self._apply(images)
        elif len(images) == 0:
            return np.zeros((0, *self.output_shape((1, 1, 1))), np.float32)
        return self.apply_parts([images], len(images))

    def apply_parts(self, parts: Iterable[Sequence[Pixels] | Pixels], count: int) -> Prepared:
        """Prepares images that come in parts, with no more memory than their result and one piece.

        Args:
            parts: As `apply` takes them, none empty.
            count: How many images they have together; at least one.

        Returns:
            ``(count, H, W, C)`` float32, in the order of the parts.

        Raises:
            InputError: As `apply`.
        """
        out: Prepared | None = None
        shapes: set[Shape] = set()
        at = 0
        for part in parts:
            kinds = _kinds(part)
            for dtype, shape in kinds:
                _check(dtype, shape)
            shapes |= {self.output_shape(shape) for _, shape in kinds}
            if len(shapes) > 1:
                raise InputError(
                    f"images of mixed shapes {_some(shapes)} cannot go into one model; add the preparation "
                    "steps `resize: [height, width]` and `grey`"
                )
            if out is None:
                out = np.empty((count, *next(iter(shapes))), np.float32)
            for (_, shape), positions in kinds.items():
                step = max(1, PIECE_BYTES // (math.prod(shape) * _FLOAT))
                for start in range(0, len(positions), step):
                    chosen = positions[start : start + step]
                    if isinstance(part, np.ndarray):
                        stop = start + len(chosen)
                        out[at + start : at + stop] = self._apply(part[start:stop])
                    else:
                        stacked = cast(Pixels, np.stack([part[i] for i in chosen]))
                        out[[at + i for i in chosen]] = self._apply(stacked)
            at += len(part)
        assert out is not None
        return out

    def memory(self, shape: Sequence[int]) -> int:
        """About how many bytes `apply` takes for one image ``(H, W, C)``, beside its pixels.

        Of a large image it prepares strips up to the first ``resize``, which needs a few planes more.
        """
        height, width, channels = (int(n) for n in shape)
        before = self._before_resize()
        floats = height * width * channels * _FLOAT
        if before is None:
            return _TEMPORARIES * floats
        kept = Preparation(before).output_shape(shape)[2]
        return height * width * (kept + 3) * _FLOAT + _TEMPORARIES * min(floats, PIECE_BYTES)

    def _before_resize(self) -> tuple[Step, ...] | None:
        """The steps before the first ``resize``; None: there is none."""
        at = next((i for i, step in enumerate(self.steps) if step.name == "resize"), None)
        return None if at is None else self.steps[:at]

    def _apply(self, batch: Pixels) -> Prepared:
        divisor = next(
            (float(steps_of.number(s)) for s in self.steps if s.name == "scale"),
            float(np.iinfo(batch.dtype).max),
        )
        full = np.float32(np.iinfo(batch.dtype).max / divisor)

        def scaled(part: Pixels, steps: Sequence[Step]) -> Prepared:
            prepared: Prepared = empty(part.shape, np.float32)
            np.divide(part, np.float32(divisor), out=prepared)
            return run(prepared, steps)

        def run(prepared: Prepared, steps: Sequence[Step]) -> Prepared:
            for step in steps:
                prepared = STEPS[step.name](prepared, step, full)
            return prepared

        first = self._before_resize()
        if first is None or batch.size * _FLOAT <= PIECE_BYTES:
            return np.ascontiguousarray(scaled(batch, self.steps))
        # What comes before works on each pixel by itself: strips give the same bits.
        count, height, width, channels = batch.shape
        kept = Preparation(first).output_shape((height, width, channels))[2]
        whole = np.empty((count, height, width, kept), np.float32)
        rows = max(1, PIECE_BYTES // (count * width * channels * _FLOAT))
        for start in range(0, height, rows):
            whole[:, start : start + rows] = scaled(batch[:, start : start + rows], first)
        return np.ascontiguousarray(run(whole, self.steps[len(first) :]))


def _kinds(
    part: Sequence[Pixels] | Pixels,
) -> Mapping[tuple[np.dtype[Any], tuple[int, ...]], Sequence[int]]:
    """Positions of the images by dtype and shape, in one pass."""
    if isinstance(part, np.ndarray):
        return {(part.dtype, part.shape[1:]): range(len(part))}
    kinds: dict[tuple[np.dtype[Any], tuple[int, ...]], list[int]] = {}
    for position, image in enumerate(part):
        kinds.setdefault((image.dtype, image.shape), []).append(position)
    return kinds


def _step(item: object) -> Step:
    if isinstance(item, dict):
        if len(item) != 1:
            raise InputError(f"expected one preparation step per list item, received {item!r}")
        ((name, argument),) = item.items()
    else:
        name, argument = item, None
    if not isinstance(name, str):
        raise InputError(f"expected the name of a preparation step, received {item!r}")
    if name not in STEPS:
        raise UnknownName("preparation step", name, STEPS)
    return steps_of.check_step(name, argument)


def _plain(argument: float | tuple[float, ...]) -> object:
    return list(argument) if isinstance(argument, tuple) else argument


def _check(dtype: np.dtype[np.generic], shape: Sequence[int]) -> None:
    if dtype not in (np.uint8, np.uint16) or len(shape) != 3 or shape[2] not in (1, 2, 3, 4):
        raise InputError(
            f"expected pixels (height, width, 1 to 4 channels) of uint8 or uint16, received {tuple(shape)} of {dtype}"
        )
    if 0 in shape:
        raise InputError(f"an image of shape {tuple(shape)} holds no pixels")


def _some(shapes: set[Shape]) -> str:
    listed = sorted(shapes)
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return ", ".join(str(shape) for shape in listed[:3]) + more
