"""Undoes PNG's row filters through libspng's vector code, for pixels of 3 and 4 bytes (decision 0074).

libspng never sees a file. It is given a PNG assembled here from rows that were already inflated,
measured and found complete: header, rows in stored (uncompressed) blocks, end. Of all that a PNG
decoder does, it only undoes filters. Filters work on bytes one pixel and one row apart, so only the
bytes per pixel matter: 16-bit grey + alpha is passed as 8-bit RGBA.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

import numpy as np
import numpy.typing as npt

from labelmill.domain.codecs.png.chunks import RGB, RGBA, SIGNATURE

try:
    import pyspng
except ImportError:  # no wheel for this machine: Pillow does the same, slower
    pyspng = None

AVAILABLE = pyspng is not None
"""Whether pyspng is installed."""

# Pillow's mode → bytes per pixel, and a colour type of that size. Pixels of one byte gain nothing: libspng
# handles them one by one, as Pillow does.
_KINDS = {"RGB": (3, RGB), "RGBA": (4, RGBA)}
# libspng holds the image twice, in one piece, and keeps Python's lock: at most about 12 megapixels.
_LARGEST = 40 << 20
_BEGIN = Struct(">8sI4sIIBBBBBII4s")
# Chunk checksums are not verified: those of the file were.
_END = bytes(8) + b"IEND" + bytes(4)


def supports(
    width: int, height: int, interlaced: bool, mode: str, raw_modes: tuple[str, ...]
) -> bool:
    """Whether `unfilter` supports images of this kind; arguments as of `filters.unfilter`."""
    if interlaced or mode not in _KINDS or raw_modes != (mode,):
        return False
    return width * height * _KINDS[mode][0] <= _LARGEST


def unfilter(
    blocks: Sequence[bytes], width: int, height: int, mode: str
) -> npt.NDArray[np.uint8] | None:
    """Undoes the filters of an image that `supports` accepts.

    Args:
        blocks: All rows with their filter bytes, as a zlib stream in pieces.
        width: Pixels.
        height: Pixels.
        mode: Pillow's mode of the image.

    Returns:
        ``(H, W, bytes a pixel)`` uint8, read-only; None where libspng refuses.

    Raises:
        MemoryError: No room for the image.
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
