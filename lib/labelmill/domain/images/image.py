"""One decoded picture: its identity, simple statistics and thumbnail."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from labelmill.domain.codecs.pixels import MODES, Pixels
from labelmill.domain.codecs.png.codec import encode_png
from labelmill.errors import InputError


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
    """Statistics of one image, from sums in whole numbers: the same on every machine (decision 0061).

    Args:
        pixels: ``(H, W, C)`` uint8 or uint16.
    """
    height, width, channels = pixels.shape
    count = height * width * (channels - 1 + channels % 2)
    if pixels.dtype == np.uint8:
        full = 255
        total, squares, high = _SUMS.dot(_histogram(pixels)).tolist()
    else:
        full = 65535
        total, squares, high = _sums_of_wide(_colours(pixels).ravel())
    return _of_sums(total, squares, high, count, full)


def statistics_of(images: Sequence[Pixels]) -> npt.NDArray[np.float64]:
    """`statistics` of many images; small ones of one shape are counted together.

    Args:
        images: ``(H, W, C)`` uint8 or uint16 each.

    Returns:
        ``(N, 3)``: mean, std and ink of each.
    """
    by_shape: dict[tuple[int, ...], list[int]] = {}
    found = np.empty((len(images), len(Statistics._fields)))
    for position, pixels in enumerate(images):
        if pixels.dtype == np.uint8 and pixels.size < _MANY and pixels.shape[2] % 2:
            by_shape.setdefault(pixels.shape, []).append(position)
        else:
            found[position] = statistics(pixels)
    for positions in by_shape.values():
        if len(positions) < _FEW:
            for position in positions:
                found[position] = statistics(images[position])
            continue
        for start in range(0, len(positions), _BLOCK // 256):
            some = positions[start : start + _BLOCK // 256]
            found[some] = _together([images[position] for position in some])
    return found


def _together(images: list[Pixels]) -> npt.NDArray[np.float64]:
    count = images[0].size
    samples = np.frombuffer(b"".join(images), np.uint8).reshape(len(images), count)  # type: ignore[arg-type]
    # A sum fits 32 bits: fewer than `_MANY` samples of at most 255².
    total = np.add.reduce(samples, axis=1, dtype=np.uint32).astype(np.int64)
    wide = samples.astype(np.uint16)
    wide *= wide
    squares = np.add.reduce(wide, axis=1, dtype=np.uint32).astype(np.int64)
    high = np.add.reduce(samples >> 7, axis=1, dtype=np.uint32)
    # As `_of_sums`; whole numbers below 2**53 are exact in float64.
    spread = count * squares - total * total
    return np.stack([total / (count * 255), np.sqrt(spread) / (count * 255), high / count], axis=1)


def _of_sums(total: int, squares: int, high: int, count: int, full: int) -> Statistics:
    # count² times the variance; var x = E x² - (E x)².
    spread = count * squares - total * total
    return Statistics(total / (count * full), math.sqrt(spread) / (count * full), high / count)


def _colours(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return pixels if pixels.shape[2] % 2 else pixels[:, :, :-1]


# Of a histogram of 256 levels: sum, sum of squares, number above half of the range.
_SUMS = np.array(
    [range(256), [level * level for level in range(256)], [0] * 128 + [1] * 128], np.int64
)
# From here on Pillow counts faster, and numpy would first make eight bytes of each sample.
_MANY = 1 << 14
# Fewer images of one shape are counted faster one by one.
_FEW = 4
_BLOCK = 1 << 16


def _histogram(pixels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    if pixels.size < _MANY:
        return np.bincount(_colours(pixels).ravel(), minlength=256)
    # Pillow reads four channels, or one long line of all samples, without a copy.
    if pixels.shape[2] == 4:
        mode, samples = "RGBA", np.ascontiguousarray(pixels.reshape(-1, 4))
    else:
        mode, samples = "L", np.ascontiguousarray(_colours(pixels).reshape(-1))
    line = Image.frombuffer(mode, (len(samples), 1), samples, "raw", mode, 0, 1)
    levels = np.array(line.histogram()[:768], np.int64).reshape(-1, 256)
    total: npt.NDArray[np.int64] = np.add.reduce(levels, axis=0)
    return total


def _sums_of_wide(samples: npt.NDArray[np.uint16]) -> tuple[int, int, int]:
    total = squares = 0
    for start in range(0, samples.size, _BLOCK):
        block = samples[start : start + _BLOCK].astype(np.int64)
        total += int(np.add.reduce(block))
        block *= block
        squares += int(np.add.reduce(block))
    return total, squares, int(np.count_nonzero(samples > 32767))


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
        image = Image.frombytes(MODES[channels], (width, height), flat)
        small = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        shown = np.frombuffer(small.tobytes(), np.uint8).reshape(size[1], size[0], channels)
    return encode_png(shown, level=1)
