"""The chunk structure of a PNG file, checked before any pixel is decoded.

Byte layout (PNG, third edition, §5): 8 bytes signature, then chunks of
``uint32 length | 4 bytes type | data | uint32 CRC-32 of type and data``, big-endian; ``IHDR`` first,
``IEND`` last. A lower-case first letter of the type marks an ancillary chunk.

Only ``IHDR``, ``PLTE``, ``tRNS``, ``IDAT`` and ``IEND`` are read. Every other ancillary chunk (text,
colour profiles, animation) is skipped unread, whatever it holds: compressed text cannot blow up,
and a bad profile does not cost the image.
"""

from __future__ import annotations

import functools
from struct import Struct
from typing import NamedTuple

from isal.isal_zlib import crc32

from labelmill.domain.codecs.magic import kind_of
from labelmill.domain.codecs.pixels import check_pixel_count
from labelmill.errors import ImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
"""Colour types of the header."""

SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
"""Samples per pixel, by colour type."""

_DEPTHS = {
    GREY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
    GREY_ALPHA: (8, 16),
    RGBA: (8, 16),
}
_LENGTH = Struct(">I4s")
_CRC = Struct(">I")
_HEADER = Struct(">IIBBBBB")
_END = b"\0\0\0\0IEND\xaeB`\x82"
_READ = frozenset((b"PLTE", b"tRNS", b"IDAT", b"IEND"))
# Deflate compresses at most 1,032 : 1, so a header that promises more than its data can hold is found
# before memory is allocated.
_DEFLATE_LIMIT = 1032
# Real files have few; a flood of empty ones would take seconds to walk.
_LONGEST_PALETTE = 3 * 256

_MOST_CHUNKS = 1 << 19


class PngParts(NamedTuple):
    """The parts of a PNG file that decoding needs.

    Args:
        width: Pixels.
        height: Pixels.
        depth: Bits per sample: 1, 2, 4, 8 or 16.
        colour: Colour type of the header.
        interlaced: Adam7.
        palette: RGB triples, or None.
        transparency: Data of ``tRNS``, or None.
        compressed: The zlib stream of all ``IDAT`` chunks.
    """

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool
    palette: bytes | None
    transparency: bytes | None
    compressed: bytes | bytearray


def read_parts(data: bytes, pixel_cap: int) -> PngParts:
    """Walks the chunks of a PNG file.

    Args:
        data: The whole file.
        pixel_cap: Most pixels (width × height) that the header may promise.

    Raises:
        ImageError: ``not_png``, ``truncated``, ``bad_header``, ``too_many_pixels`` or ``bad_data``.
    """
    width, height, depth, colour, interlaced = _header(data, pixel_cap)
    if only := _only_data(data):
        _check(width, height, depth, colour, None, len(only))
        return PngParts(width, height, depth, colour, interlaced, None, None, only)
    palette: bytes | None = None
    transparency: bytes | None = None
    compressed: bytes | bytearray = b""
    begun = False
    position, size, last = 33, len(data), b"IHDR"
    for _ in range(_MOST_CHUNKS):
        if position + 12 > size:
            raise _truncated(
                size, f"the file ends after chunk {last.decode('latin-1')!r}, before IEND"
            )
        length, kind = _LENGTH.unpack_from(data, position)
        start, end = position + 8, position + 8 + length
        if end + 4 > size:
            raise _truncated(
                size, f"chunk {kind!r} promises {length} bytes, {size - start} are left"
            )
        if kind in _READ:
            whole = crc32(data[position + 4 : end]) == _CRC.unpack_from(data, end)[0]
            if kind == b"tRNS":
                # As libpng: one that is damaged, out of place or of the wrong length is left out.
                if whole and transparency is None and not begun:
                    transparency = _transparency(data[start:end], colour, palette)
            elif kind == b"PLTE" and (colour != PALETTE or begun):
                pass  # it changes no pixel
            elif not whole:
                raise ImageError("bad_data", f"the checksum of chunk {kind.decode()} is wrong")
            elif kind == b"IDAT":
                if begun and last != b"IDAT":
                    raise ImageError("bad_data", "IDAT chunks must follow each other")
                begun = True
                # Nearly always there is one; many are appended to one buffer.
                compressed = _joined(compressed, data[start:end])
            elif kind == b"PLTE":
                if palette is not None:
                    raise ImageError("bad_data", "there is a second PLTE chunk")
                palette = _palette(data[start:end], depth)
        elif not kind.isalpha() or not kind.isascii():
            raise ImageError("bad_data", f"{kind!r} is not a chunk type")
        elif not kind[0] & 0x20:
            raise ImageError("bad_data", f"unexpected critical chunk {kind.decode('latin-1')!r}")
        position, last = end + 4, kind
        if kind == b"IEND":
            break
    else:
        raise ImageError("bad_data", f"there are more than {_MOST_CHUNKS:,} chunks")
    _check(width, height, depth, colour, palette, len(compressed))
    return PngParts(width, height, depth, colour, interlaced, palette, transparency, compressed)


def _palette(colours: bytes, depth: int) -> bytes:
    if len(colours) % 3 or not 3 <= len(colours) <= _LONGEST_PALETTE:
        raise ImageError(
            "bad_data",
            f"a palette image of {depth} bits needs a PLTE chunk of 1 to {1 << depth} colours, "
            f"received {len(colours)} bytes",
        )
    return colours[: 3 << depth]  # no index reaches the others


def _transparency(values: bytes, colour: int, palette: bytes | None) -> bytes | None:
    if colour == PALETTE:
        fits = palette is not None and 0 < len(values) <= len(palette) // 3
    else:
        fits = len(values) == {GREY: 2, RGB: 6}.get(colour)
    return values if fits else None


def _only_data(data: bytes) -> bytes | None:
    """The image data of a file that has only a header, one valid ``IDAT`` and an end, as most small ones."""
    length, kind = _LENGTH.unpack_from(data, 33) if len(data) > 57 else (0, b"")
    end = 41 + length
    if kind != b"IDAT" or len(data) != end + 16 or not data.endswith(_END):
        return None
    return data[41:end] if crc32(data[37:end]) == _CRC.unpack_from(data, end)[0] else None


def _joined(compressed: bytes | bytearray, more: bytes) -> bytes | bytearray:
    if not compressed:
        return more
    if isinstance(compressed, bytes):
        compressed = bytearray(compressed)
    compressed += more
    return compressed


def _header(data: bytes, pixel_cap: int) -> tuple[int, int, int, int, bool]:
    if data[:8] != SIGNATURE:
        if data and SIGNATURE.startswith(data[:8]):
            raise _truncated(len(data), "not even the signature is whole")
        what, advice = kind_of(data)
        raise ImageError(
            "not_png",
            f"expected a PNG file (89 50 4E 47 …), received {what} "
            f"(bytes {data[:8].hex(' ') or 'none'}); {advice}",
        )
    if len(data) < 33:
        raise _truncated(len(data), "the header takes 33")
    if data[8:16] != b"\x00\x00\x00\rIHDR":
        apple = " (Apple's own kind of PNG: convert it back with Xcode's pngcrush)"
        raise ImageError(
            "bad_header",
            f"the first chunk must be IHDR of 13 bytes, received {data[8:16]!r}"
            f"{apple if data[12:16] == b'CgBI' else ''}",
        )
    return _fields(bytes(data[12:33]), pixel_cap)


# Images of a collection often share a header.
@functools.lru_cache(maxsize=256)
def _fields(header: bytes, pixel_cap: int) -> tuple[int, int, int, int, bool]:
    width, height, depth, colour, compression, filtering, interlace = _HEADER.unpack_from(header, 4)
    if crc32(header[:17]) != _CRC.unpack_from(header, 17)[0]:
        raise ImageError("bad_header", "the checksum of chunk IHDR is wrong")
    if not (0 < width < 1 << 31 and 0 < height < 1 << 31):
        raise ImageError(
            "bad_header", f"width and height must be 1 or more, received {width}×{height}"
        )
    if depth not in _DEPTHS.get(colour, ()):
        raise ImageError(
            "bad_header", f"no PNG has colour type {colour} with {depth} bits a sample"
        )
    if compression or filtering or interlace > 1:
        raise ImageError(
            "bad_header",
            f"unknown compression {compression}, filter {filtering} or interlace {interlace} method",
        )
    check_pixel_count(width, height, pixel_cap)
    return width, height, depth, colour, bool(interlace)


def _check(
    width: int,
    height: int,
    depth: int,
    colour: int,
    palette: bytes | None,
    compressed: int,
) -> None:
    if not compressed:
        raise ImageError("truncated", "there is no image data (IDAT)")
    if height * ((width * depth * SAMPLES[colour] + 7) // 8) > compressed * _DEFLATE_LIMIT:
        raise ImageError(
            "truncated", f"{compressed} bytes of image data cannot hold {width}×{height} pixels"
        )
    if colour == PALETTE and palette is None:
        raise ImageError(
            "bad_data", f"a palette image of {depth} bits needs a PLTE chunk; there is none"
        )


def _truncated(size: int, why: str) -> ImageError:
    return ImageError("truncated", f"the file is cut off at {size} bytes: {why}")
