"""The pixel array: what every codec returns and accepts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelmill.errors import ImageError, InputError

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""``(H, W, C)``, C order; 1 to 4 channels: grey, grey + alpha, RGB, RGB + alpha."""

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Channels → Pillow's mode of 8-bit pixels."""

PIXEL_CAP = 64_000_000
"""Default cap on the pixels (width × height) of an image."""


def read_only(pixels: Pixels) -> Pixels:
    """Makes the array read-only and returns it: decoded pixels are what the file says."""
    pixels.flags.writeable = False
    return pixels


def check_encodable(pixels: Pixels) -> None:
    """Checks that a codec can write the array.

    Raises:
        InputError: Another shape or dtype than `Pixels`.
    """
    if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4 or 0 in pixels.shape:
        raise InputError(
            f"expected pixels of shape (height, width, 1 to 4), received {pixels.shape}"
        )
    if pixels.dtype not in (np.uint8, np.uint16):
        raise InputError(f"expected pixels of uint8 or uint16, received {pixels.dtype}")


def check_pixel_count(width: int, height: int, pixel_cap: int) -> None:
    """Checks the size against the cap, before memory is allocated.

    Raises:
        ImageError: ``too_many_pixels``.
    """
    if width * height > pixel_cap:
        raise ImageError(
            "too_many_pixels",
            f"{width}×{height} is {width * height:,} pixels, more than the cap of {pixel_cap:,}; "
            "raise `pixel_cap` if the image really is that large",
        )


def no_memory(width: int, height: int) -> ImageError:
    """The error for an image within the cap that this machine has no memory for."""
    return ImageError(
        "too_many_pixels", f"no memory for {width}×{height} pixels; lower `pixel_cap`"
    )
