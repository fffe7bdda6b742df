"""The image data of a PNG file, inflated and checked, as a stream that costs Pillow nothing to read.

Pillow's decoder undoes the row filters in C, but it reads zlib streams only, and takes one that ends
early for a picture whose last rows are black. So the data is inflated here, measured, and handed over
in stored (not packed) deflate blocks: one inflation, no row missing, no byte too much.
"""

from __future__ import annotations

import zlib
from struct import Struct

from labelmill.domain.codecs.png_chunks import SAMPLES, PngParts
from labelmill.errors import ImageError

# RFC 1950: 32 KiB window, no dictionary. RFC 1951 §3.2.4: last-block bit, length, its complement.
_HEADER = b"\x78\x01"
_BLOCK = Struct("<BHH")
_LARGEST = 0xFFFF
_SUM = Struct(">I")
# Adam7 (§8.2): first column and row, and steps between columns and rows, of each of seven passes.
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def stored_stream(parts: PngParts) -> bytes:
    """The rows with their filter bytes, as a zlib stream of stored blocks.

    Raises:
        ImageError: ``truncated`` when rows or the checksum are missing, ``bad_data`` when damaged.
    """
    length = _raw_length(parts)
    inflate = zlib.decompressobj()
    try:
        raw = inflate.decompress(parts.compressed, length)
        # One byte more than is needed makes zlib read the sum at the end; more than that is not read.
        whole = len(raw) == length and (
            inflate.eof or inflate.decompress(inflate.unconsumed_tail, 1) or inflate.eof
        )
    except zlib.error as error:
        raise ImageError("bad_data", f"the image data is damaged: {error}") from None
    if not whole:
        raise ImageError(
            "truncated",
            f"the image data ends early: {len(raw):,} of {length:,} bytes of rows are there",
        )
    if length <= _LARGEST:
        block = _BLOCK.pack(1, length, length ^ _LARGEST)
        return b"".join((_HEADER, block, raw, _SUM.pack(zlib.adler32(raw))))
    pieces: list[bytes | memoryview] = [_HEADER]
    view = memoryview(raw)
    for start in range(0, length, _LARGEST):
        piece = view[start : start + _LARGEST]
        last = start + _LARGEST >= length
        pieces += (_BLOCK.pack(last, len(piece), len(piece) ^ _LARGEST), piece)
    return b"".join((*pieces, _SUM.pack(zlib.adler32(raw))))


def _raw_length(parts: PngParts) -> int:
    """Bytes of all rows, each with its filter byte."""
    bits = parts.depth * SAMPLES[parts.colour]
    if not parts.interlaced:
        return parts.height * (1 + (parts.width * bits + 7) // 8)
    total = 0
    for left, top, across, down in _PASSES:
        width = (parts.width - left + across - 1) // across
        height = (parts.height - top + down - 1) // down
        if width > 0 and height > 0:
            total += height * (1 + (width * bits + 7) // 8)
    return total
