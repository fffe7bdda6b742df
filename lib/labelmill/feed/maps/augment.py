"""Augmentation: random maps over images, the same for the same seed, epoch and place in the order.

What moves pixels (`flip`, `rotate90`, `shift`, `crop`) moves a mask the same way; what changes their
values (`brightness`, `noise`) leaves masks alone. Amounts are shares of the dtype's range: 255, 65,535,
or 1 for floats. Whole-number pixels stay within their range, floats are not cut off.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from labelmill.array_pool import empty
from labelmill.errors import InputError
from labelmill.feed.maps.base import ArrayMap, Rows, images_in
from labelmill.feed.maps.elements import stacked

Images = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]

# Samples: deviates in float32 of more than this leave the processor's cache.
_AT_ONCE = 1 << 18


class Augmentation(ArrayMap):
    """A random map."""

    random: ClassVar[bool] = True


@dataclass(frozen=True)
class Flip(Augmentation):
    """See `flip`."""

    horizontal: bool
    vertical: bool
    chance: float

    def __call__(self, rows: Rows) -> Rows:
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

    def __call__(self, rows: Rows) -> Rows:
        """Turned rows."""

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

    def __call__(self, rows: Rows) -> Rows:
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

    def __call__(self, rows: Rows) -> Rows:
        """Cropped rows, all of one height and width.

        Raises:
            InputError: An image that is smaller.
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


@dataclass(frozen=True)
class Brightness(Augmentation):
    """See `brightness`."""

    most: float

    def __call__(self, rows: Rows) -> Rows:
        """Rows made brighter or darker."""
        shares = (rows.draws.uniform(0) * 2 - 1) * self.most

        def brighten(images: Images, part: slice) -> Images:
            by = (shares[part] * _full(images.dtype)).astype(np.float32)
            return _added(images, by[:, None, None, None])

        return _changed(rows, "brightness", brighten)


@dataclass(frozen=True)
class Noise(Augmentation):
    """See `noise`."""

    deviation: float

    def __call__(self, rows: Rows) -> Rows:
        """Rows with noise."""

        def disturb(images: Images, part: slice) -> Images:
            drawn = rows.draws.rows(part).normals(0, images[0].size).reshape(images.shape)
            return _added(images, drawn * np.float32(self.deviation * _full(images.dtype)))

        return _changed(rows, "noise", disturb)


def flip(horizontal: bool = True, vertical: bool = False, chance: float = 0.5) -> ArrayMap:
    """Mirrors images left to right, or upside down, each with a chance.

    Raises:
        InputError: A chance that is none, or nothing to flip.
    """
    if not (horizontal or vertical):
        raise InputError("flip of nothing; expected horizontal, vertical or both")
    return Flip(horizontal, vertical, _share("flip: chance", chance))


def rotate90() -> ArrayMap:
    """Turns images by 0, 1, 2 or 3 quarters; images that are not square by 0 or 2, to keep their shape."""
    return Rotate90()


def shift(rows: int, columns: int, fill: float = 0) -> ArrayMap:
    """Moves images by up to so many pixels up or down, left or right.

    Args:
        rows: At most, up or down.
        columns: At most, left or right.
        fill: Value of pixels that come in from outside; masks get 0.

    Raises:
        InputError: A negative number.
    """
    if rows < 0 or columns < 0:
        raise InputError(f"shift({rows}, {columns}); expected numbers of pixels from 0")
    return Shift(rows, columns, fill)


def crop(height: int, width: int) -> ArrayMap:
    """Cuts a piece of that size out of each image, at a random place: mixed shapes become one.

    Raises:
        InputError: A size below 1.
    """
    if height < 1 or width < 1:
        raise InputError(f"crop({height}, {width}); expected sizes from 1")
    return Crop(height, width)


def brightness(most: float = 0.2) -> ArrayMap:
    """Adds the same to every sample of an image, evenly drawn from ±most.

    Raises:
        InputError: A share that is none.
    """
    return Brightness(_share("brightness: most", most))


def noise(deviation: float = 0.05) -> ArrayMap:
    """Adds normal noise to every sample by itself.

    Raises:
        InputError: A share that is none.
    """
    return Noise(_share("noise: deviation", deviation))


def _moved(
    rows: Rows,
    name: str,
    codes: Sequence[Ints],
    move: Callable[..., Images],
    of_masks: Callable[..., Images] | None = None,
) -> Rows:
    """Moves pixels; `move` gets ``(n, H, W, C)`` and one code of each kind, which these rows share."""
    images, targets = _regrouped(images_in(rows, name), codes, move), rows.targets
    if rows.masks:
        targets = _regrouped(targets, codes, of_masks or move)
    return replace(rows, inputs=images, targets=targets)


def _regrouped(images: Any, codes: Sequence[Ints], move: Callable[..., Images]) -> Any:
    if not isinstance(images, np.ndarray):
        each = zip(*codes, strict=True)
        return stacked([move(i[None], *code)[0] for i, code in zip(images, each, strict=True)])
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


def _changed(rows: Rows, name: str, change: Callable[[Images, slice], Images]) -> Rows:
    """Changes values, some images at a time; `change` gets them and which rows they are."""
    images = images_in(rows, name)
    if not isinstance(images, np.ndarray):
        parts = [change(image[None], slice(n, n + 1))[0] for n, image in enumerate(images)]
        return replace(rows, inputs=stacked(parts))
    out = empty(images.shape, images.dtype)
    few = max(1, _AT_ONCE // max(1, images[0].size if len(images) else 1))
    for start in range(0, len(images), few):
        part = slice(start, min(start + few, len(images)))
        out[part] = change(images[part], part)
    return replace(rows, inputs=out)


def _overlap(by: int) -> tuple[slice, slice]:
    """Where pixels go and where they come from, along one axis."""
    if by >= 0:
        return slice(by, None), slice(None, -by or None)
    return slice(None, by), slice(-by, None)


def _added(image: Images, by: Any) -> Images:
    if not np.issubdtype(image.dtype, np.integer):
        return np.asarray(image + by, image.dtype)
    most = np.iinfo(image.dtype).max
    return np.asarray(np.clip(np.rint(image + by), 0, most), image.dtype)


def _full(dtype: np.dtype[Any]) -> float:
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0


def _share(what: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise InputError(f"{what} {value!r}; expected 0 to 1")
    return float(value)
