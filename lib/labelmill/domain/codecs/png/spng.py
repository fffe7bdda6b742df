"""PNG's row filters undone by libspng with vector instructions: pixels of 3 and 4 bytes (decision 0074).

libspng never sees a file. It gets a PNG that is made here of rows that were inflated, measured and found
whole before: header, rows in stored (not packed) blocks, end. So of all that a PNG decoder does it only
undoes filters. Those look at bytes one pixel apart and one row apart, hence what counts of a picture is
how many bytes a pixel has: 16-bit grey + alpha goes as 8-bit RGBA.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

import numpy as np
import numpy.typing as npt

from labelmill.domain.codecs.png.chunks import RGB, RGBA, SIGNATURE

try:
    import pyspng
except ImportError:  # no wheel for this machine: Pillow does it, slower
    pyspng = None

IS_THERE = pyspng is not None
"""Whether this machine has it."""

# Pillow's mode → bytes a pixel, and the colour type that has as many. Pixels of one byte would be undone
# one by one, as Pillow does it.
_KINDS = {"RGB": (3, RGB), "RGBA": (4, RGBA)}
# It wants the picture in one piece, twice, and keeps Python's lock meanwhile: up to a photograph of
# 12 megapixels.
_LARGEST = 40 << 20
_BEGIN = Struct(">8sI4sIIBBBBBII4s")
# Checksums of chunks are not looked at: those of the file were.
_END = bytes(8) + b"IEND" + bytes(4)


def takes(width: int, height: int, interlaced: bool, mode: str, raw_modes: tuple[str, ...]) -> bool:
    """Whether `unfiltered` is for pictures of this kind; arguments as of `png_rows.unfiltered`."""
    if interlaced or mode not in _KINDS or raw_modes != (mode,):
        return False
    return width * height * _KINDS[mode][0] <= _LARGEST


def unfiltered(
    blocks: Sequence[bytes], width: int, height: int, mode: str
) -> npt.NDArray[np.uint8] | None:
    """Pixels of a picture that `takes` takes.

    Args:
        blocks: All rows with their filter bytes, as a zlib stream in pieces.
        width: Pixels.
        height: Pixels.
        mode: Pillow's mode of the picture.

    Returns:
        ``(H, W, bytes a pixel)`` uint8, read-only; None where libspng refuses.

    Raises:
        MemoryError: No room for the picture.
    """
    size, colour = sum(map(len, blocks)), _KINDS[mode][1]
    begin = _BEGIN.pack(SIGNATURE, 13, b"IHDR", width, height, 8, colour, 0, 0, 0, 0, size, b"IDAT")
    file = b"".join((begin, *blocks, _END))
    try:
        pixels: npt.NDArray[np.uint8] = pyspng.load(file, mode)
    except RuntimeError:
        return None
    pixels.flags.writeable = False
    return pixels
