"""Augmentation: random maps over images, reproducible from seed, epoch and position in the order.

What moves pixels (`flip`, `rotate90`, `shift`, `crop`) moves a mask in the same way; what changes
their values (`brightness`, `noise`) leaves masks alone. Amounts are shares of the dtype's range: 255,
65,535, or 1 for floats. Integer pixels stay within their range, floats are not clipped.

Example:
    >>> import numpy as np
    >>> from labelmill.feed.maps.base import RowArrays
    >>> from labelmill.feed.order.counter_rng import Draws
    >>> draws = Draws(seed=0, epoch=0, positions=np.arange(8, dtype=np.uint64))
    >>> images = np.arange(8 * 4 * 4, dtype=np.uint8).reshape(8, 4, 4, 1)
    >>> rows = RowArrays(images, np.zeros(8, np.int64), masks=False, draws=draws)
    >>> crop(2, 2)(rows).inputs.shape
    (8, 2, 2, 1)
"""

from __future__ import annotations

from labelmill.errors import InputError
from labelmill.feed.maps.base import ArrayMap
from labelmill.feed.maps.geometric import Crop, Flip, Rotate90, Shift
from labelmill.feed.maps.photometric import Brightness, Noise


def flip(horizontal: bool = True, vertical: bool = False, chance: float = 0.5) -> ArrayMap:
    """Mirrors images left to right, or upside down.

    Args:
        horizontal: Left to right.
        vertical: Upside down; drawn independently.
        chance: Probability of each, 0 to 1.

    Raises:
        InputError: A chance outside 0 to 1, or neither direction.

    Example:
        >>> flip(vertical=True, chance=0.25)
        Flip(horizontal=True, vertical=True, chance=0.25)
    """
    if not (horizontal or vertical):
        raise InputError("flip without a direction; expected horizontal, vertical or both")
    return Flip(horizontal, vertical, _share("flip: chance", chance))


def rotate90() -> ArrayMap:
    """Rotates images by 0°, 90°, 180° or 270°; images that are not square by 0° or 180°, to keep their shape.

    Example:
        >>> rotate90().random
        True
    """
    return Rotate90()


def shift(rows: int, columns: int, fill: float = 0) -> ArrayMap:
    """Moves images up or down and left or right by a random number of pixels.

    Args:
        rows: Most pixels up or down.
        columns: Most pixels left or right.
        fill: Value of the pixels that come in from outside; in masks 0.

    Raises:
        InputError: A negative number.

    Example:
        >>> shift(2, 2)
        Shift(rows=2, columns=2, fill=0)
    """
    if rows < 0 or columns < 0:
        raise InputError(f"shift({rows}, {columns}); expected numbers of pixels, 0 or more")
    return Shift(rows, columns, fill)


def crop(height: int, width: int) -> ArrayMap:
    """Crops each image at a random position to one size, so that mixed shapes become one shape.

    Args:
        height: Of the crop, in pixels.
        width: Of the crop, in pixels.

    Raises:
        InputError: A size below 1.

    Example:
        >>> crop(24, 24)
        Crop(height=24, width=24)
    """
    if height < 1 or width < 1:
        raise InputError(f"crop({height}, {width}); expected sizes of at least 1")
    return Crop(height, width)


def brightness(most: float = 0.2) -> ArrayMap:
    """Adds the same amount to all pixels of an image, drawn uniformly from ±most.

    Args:
        most: Share of the dtype's range, 0 to 1.

    Raises:
        InputError: A share outside 0 to 1.

    Example:
        >>> brightness(0.1)
        Brightness(most=0.1)
    """
    return Brightness(_share("brightness: most", most))


def noise(deviation: float = 0.05) -> ArrayMap:
    """Adds normal noise to every value of every pixel.

    Args:
        deviation: Standard deviation, as a share of the dtype's range, 0 to 1.

    Raises:
        InputError: A share outside 0 to 1.

    Example:
        >>> noise(0.05)
        Noise(deviation=0.05)
    """
    return Noise(_share("noise: deviation", deviation))


def _share(what: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise InputError(f"{what} {value!r}; expected 0 to 1")
    return float(value)
