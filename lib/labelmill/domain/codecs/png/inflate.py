"""Inflates and measures the image data of a PNG file, piece by piece.

The row filters are undone in C (`filters`) by decoders that read only zlib streams, and Pillow's
reads a truncated stream as an image whose last rows are black. So the data is inflated and measured
here and passed on in stored (uncompressed) deflate blocks, which cost nothing to read: one inflation,
no missing row, no extra byte, and never more than a block in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from isal import isal_zlib

from labelmill.domain.codecs.png.chunks import SAMPLES, PngParts
from labelmill.errors import ImageError

# RFC 1950: 32 KiB window, no dictionary. RFC 1951 §3.2.4: last-block bit, length, its complement.
_HEADER = b"\x78\x01"
_BLOCK = Struct("<BHH")
_LARGEST = 0xFFFF
_SUM = Struct(">I")
# zlib copies unconsumed input at every call, so it gets little at a time.
_STEP = 1 << 16
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


def stored_blocks(parts: PngParts) -> Iterator[bytes]:
    """Yields the rows with their filter bytes, as one zlib stream of stored blocks.

    Raises:
        ImageError: ``truncated`` when rows or the checksum are missing, ``bad_data`` when damaged.
    """
    length = missing = raw_length(parts)
    try:
        if length <= _LARGEST and (whole := inflated_at_once(parts.compressed, length)):
            yield stored(whole)
            return
        # Larger, or damaged.
        inflate, checksum, before = isal_zlib.decompressobj(), 1, _HEADER
        for start in range(0, len(parts.compressed), _STEP):
            packed = parts.compressed[start : start + _STEP]
            full = True
            while missing and full:
                wanted = min(missing, _LARGEST)
                raw = inflate.decompress(packed, wanted)
                packed, full = inflate.unconsumed_tail, len(raw) == wanted
                if raw:
                    missing -= len(raw)
                    checksum = isal_zlib.adler32(raw, checksum)
                    after = b"" if missing else _SUM.pack(checksum)
                    yield b"".join((before, *_block(raw, not missing), after))
                    before = b""
            # Asking for one more byte makes it read the checksum at the end; surplus data beyond
            # that is never inflated.
            if not missing and (inflate.eof or inflate.decompress(packed, 1) or inflate.eof):
                return
            if inflate.eof:
                break
    except isal_zlib.error as error:  # type: ignore[misc]
        raise ImageError("bad_data", f"the image data is damaged: {error}") from None
    raise ImageError(
        "truncated",
        f"the image data ends early: {length - missing:,} of {length:,} bytes of rows are there",
    )


def inflated_at_once(compressed: bytes | bytearray, length: int) -> bytes | None:
    """The rows of a small image; None when they are not exactly `length` bytes.

    Raises:
        isal_zlib.error: Damaged data.
    """
    inflate = isal_zlib.decompressobj()
    raw = inflate.decompress(compressed, length + 1)
    return raw if len(raw) == length and inflate.eof else None


def stored(raw: bytes) -> bytes:
    """Wraps at most 65,535 bytes into a zlib stream of one stored block."""
    return b"".join((_HEADER, *_block(raw), _SUM.pack(isal_zlib.adler32(raw))))


def _block(raw: bytes, last: bool = True) -> tuple[bytes, bytes]:
    size = len(raw)
    return _BLOCK.pack(last, size, size ^ _LARGEST), raw


def raw_length(parts: PngParts) -> int:
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
