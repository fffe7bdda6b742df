"""One decoded picture: its identity, simple statistics and thumbnail."""

from __future__ import annotations

import hashlib
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from labelmill.domain.codecs.pixels import Pixels
from labelmill.domain.codecs.png import encode_png
from labelmill.errors import InputError

_COLOURS = {1: 1, 2: 1, 3: 3, 4: 3}
"""Channels that are colour, by all channels: the rest is alpha."""

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


class Statistics(NamedTuple):
    """Simple statistics of one image's colour channels (alpha is left out).

    Args:
        mean: Mean sample, 0..1 of the dtype's range.
        std: Standard deviation of the samples (population), same unit.
        ink: Share of samples above half of the range, 0..1.
    """

    mean: float
    std: float
    ink: float


def image_id_of(data: bytes) -> str:
    """The identity of an image: SHA-256 of the source file's bytes, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def from_bytes(
    data: bytes | memoryview, shape: tuple[int, int, int], dtype: str
) -> npt.NDArray[Any]:
    """Stored array bytes as an array; a view of them.

    Args:
        data: C order, little-endian.
        shape: Height, width, channels.
        dtype: Name, ``uint8`` or ``uint16``.

    Returns:
        ``(H, W, C)``.

    Raises:
        InputError: The bytes do not fit shape and dtype.
    """
    try:
        kind = np.dtype(dtype).newbyteorder("<")
        size, expected = memoryview(data).nbytes, math.prod(shape) * kind.itemsize
        if size == expected:
            return np.frombuffer(data, kind).reshape(shape)
    except (ValueError, TypeError) as error:
        raise InputError(f"pixels of shape {shape} and dtype {dtype!r}: {error}") from None
    height, width, channels = shape
    raise InputError(
        f"{size:,} bytes of pixels do not fit {height}×{width}×{channels} {dtype}, which is "
        f"{expected:,}; where a chunk is missing, ingest the image again"
    )


def statistics(pixels: Pixels) -> Statistics:
    """Statistics of one image.

    Args:
        pixels: ``(H, W, C)`` uint8 or uint16.
    """
    full = float(np.iinfo(pixels.dtype).max)
    samples = pixels[:, :, : _COLOURS[pixels.shape[2]]].astype(np.float64).ravel()
    mean = float(np.add.reduce(samples)) / samples.size
    ink = float(np.count_nonzero(samples > full / 2)) / samples.size
    samples -= mean
    samples *= samples
    variance = float(np.add.reduce(samples)) / samples.size
    return Statistics(mean / full, float(np.sqrt(variance)) / full, ink)


def thumbnail(pixels: Pixels, side: int = 32) -> bytes:
    """A PNG (8 bits) of at most ``side`` pixels width and height; small images keep their size.

    Args:
        pixels: ``(H, W, C)`` uint8 or uint16 (the high byte is shown).
        side: Pixels.
    """
    shown = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    height, width, channels = shown.shape
    if max(height, width) > side:
        scale = side / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        flat = np.ascontiguousarray(shown)
        image = Image.frombytes(_MODES[channels], (width, height), flat.tobytes())
        small = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        shown = np.frombuffer(small.tobytes(), np.uint8).reshape(size[1], size[0], channels)
    return encode_png(shown, level=1)
