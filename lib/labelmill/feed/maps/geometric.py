"""Augmentation that moves pixels; it moves those of masks in the same way. See `labelmill.feed.maps.augment`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from labelmill.array_pool import empty
from labelmill.errors import InputError
from labelmill.feed.maps.base import Augmentation, RowArrays, images_in
from labelmill.feed.maps.elements import stack

Images = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Flip(Augmentation):
    """See `flip`."""

    horizontal: bool
    vertical: bool
    chance: float

    def __call__(self, rows: RowArrays) -> RowArrays:
        """Flipped rows."""
        codes = [
            wanted * (rows.draws.uniform(lane) < self.chance).astype(np.int64)
            for lane, wanted in enumerate((self.vertical, self.horizontal))
        ]

        def turn(images: Images, down: int, right: int) -> Images:
            return images[:, :: -1 if down else 1, :: -1 if right else 1]

        return _moved(rows, "flip", codes, turn)


@dataclass(frozen=True)
class Rotate90(Augmentation):
    """See `rotate90`."""

    def __call__(self, rows: RowArrays) -> RowArrays:
        """Rotated rows."""

        def turn(images: Images, quarters: int) -> Images:
            square = images.shape[1] == images.shape[2]
            return np.rot90(images, quarters if square else quarters - quarters % 2, (1, 2))

        return _moved(rows, "rotate90", [rows.draws.integers(0, 4)], turn)


@dataclass(frozen=True)
class Shift(Augmentation):
    """See `shift`."""

    rows: int
    columns: int
    fill: float

    def __call__(self, rows: RowArrays) -> RowArrays:
        """Shifted rows."""
        most = (self.rows, self.columns)
        codes = [rows.draws.integers(lane, 2 * n + 1) - n for lane, n in enumerate(most)]

        def move(images: Images, down: int, right: int, fill: float = self.fill) -> Images:
            (to_y, from_y), (to_x, from_x) = _overlap(down), _overlap(right)
            moved = np.full_like(images, fill)
            moved[:, to_y, to_x] = images[:, from_y, from_x]
            return moved

        return _moved(rows, "shift", codes, move, functools.partial(move, fill=0))


@dataclass(frozen=True)
class Crop(Augmentation):
    """See `crop`."""

    height: int
    width: int

    def __call__(self, rows: RowArrays) -> RowArrays:
        """Cropped rows, all of one height and width.

        Raises:
            InputError: An image smaller than the crop.
        """
        sizes = np.array([image.shape[:2] for image in images_in(rows, "crop")]).reshape(-1, 2)
        small = sizes[(sizes < (self.height, self.width)).any(axis=1)]
        if len(small):
            raise InputError(
                f"crop({self.height}, {self.width}) of an image of {small[0][0]}×{small[0][1]}; "
                "expected images of that size or more"
            )
        spare = sizes - (self.height, self.width) + 1
        codes = [(rows.draws.uniform(i) * spare[:, i]).astype(np.int64) for i in (0, 1)]

        def cut(images: Images, top: int, left: int) -> Images:
            return images[:, top : top + self.height, left : left + self.width]

        return _moved(rows, "crop", codes, cut)


def _moved(
    rows: RowArrays,
    name: str,
    codes: Sequence[Ints],
    move: Callable[..., Images],
    of_masks: Callable[..., Images] | None = None,
) -> RowArrays:
    """Moves pixels. `move` gets images ``(n, H, W, C)`` and the codes, one of each kind, that they share."""
    images, targets = _regrouped(images_in(rows, name), codes, move), rows.targets
    if rows.masks:
        targets = _regrouped(targets, codes, of_masks or move)
    return replace(rows, inputs=images, targets=targets)


def _regrouped(images: Any, codes: Sequence[Ints], move: Callable[..., Images]) -> Any:
    if not isinstance(images, np.ndarray):
        each = zip(*codes, strict=True)
        return stack([move(i[None], *code)[0] for i, code in zip(images, each, strict=True)])
    distinct, groups = np.unique(np.stack(codes), axis=1, return_inverse=True)
    groups = groups.reshape(-1)
    out: Images | None = None
    for number, code in enumerate(distinct.T):
        of = np.flatnonzero(groups == number)
        moved = move(images[of], *(int(n) for n in code))
        if out is None:
            out = empty((len(images), *moved.shape[1:]), moved.dtype)
        out[of] = moved
    return images if out is None else out


def _overlap(by: int) -> tuple[slice, slice]:
    """The target and the source of a shift along one axis."""
    if by >= 0:
        return slice(by, None), slice(None, -by or None)
    return slice(None, by), slice(-by, None)
