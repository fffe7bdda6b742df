"""PNG files to arrays and back.

What becomes what (decision 0020):

======================  ======================================================================
grey, 1, 2, 4, 8 bits   ``(H, W, 1)`` uint8; 1, 2, 4 bits are scaled to 0..255 (× 255, 85, 17)
grey, 16 bits           ``(H, W, 1)`` uint16, exact
grey + alpha, 8, 16     ``(H, W, 2)`` uint8, uint16
RGB, 8, 16              ``(H, W, 3)`` uint8, uint16
RGB + alpha, 8, 16      ``(H, W, 4)`` uint8, uint16
palette                 its RGB colours, ``(H, W, 3)`` uint8; numbers beyond its end are black
``tRNS`` transparency   one more channel, alpha: 0 or full for grey and RGB, as given for palettes
======================  ======================================================================

Gamma, colour profiles and other ancillary chunks change nothing. Bytes after ``IEND`` are ignored.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from labelmill.domain.codecs.pixels import (
    PIXEL_CAP,
    Pixels,
    check_encodable,
    no_memory,
    read_only,
)
from labelmill.domain.codecs.png.batched import FilteredRows, filtered_rows
from labelmill.domain.codecs.png.chunks import (
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    SIGNATURE,
    PngParts,
    read_parts,
)
from labelmill.domain.codecs.png.filters import unfilter
from labelmill.domain.codecs.png.inflate import stored_blocks
from labelmill.errors import ImageError

# (depth, colour type) → Pillow's mode and raw mode for its zlib + unfilter decoder.
# Pillow has no 16-bit colour, but its decoder gives any byte exactly: 16-bit grey + alpha has four bytes
# a pixel as 8-bit RGBA has, and is decoded as that; of 16-bit RGB and RGBA the raw mode "B" gives the
# high bytes and "L" the low ones, so they are decoded twice.
_MODES = {
    (1, GREY): ("1", "1"),
    (2, GREY): ("L", "L;2"),
    (4, GREY): ("L", "L;4"),
    (8, GREY): ("L", "L"),
    (16, GREY): ("I;16", "I;16B"),
    (8, RGB): ("RGB", "RGB"),
    (1, PALETTE): ("P", "P;1"),
    (2, PALETTE): ("P", "P;2"),
    (4, PALETTE): ("P", "P;4"),
    (8, PALETTE): ("P", "P"),
    (8, GREY_ALPHA): ("LA", "LA"),
    (16, GREY_ALPHA): ("RGBA", "RGBA"),
    (8, RGBA): ("RGBA", "RGBA"),
    (16, RGB): ("RGB", "RGB;16B"),
    (16, RGBA): ("RGBA", "RGBA;16B"),
}
_COLOUR_OF_CHANNELS = {1: GREY, 2: GREY_ALPHA, 3: RGB, 4: RGBA}
_FILTER_NONE, _FILTER_UP = 0, 2
_AT_ONCE = 1 << 18


def decode_png(data: bytes, pixel_cap: int = PIXEL_CAP) -> Pixels:
    """Decodes a PNG file: structure, checksums and length are checked here, filters undone in C.

    Args:
        data: The whole file.
        pixel_cap: Most pixels (width × height); checked before memory is taken.

    Returns:
        ``(H, W, C)`` uint8 or uint16, C order, read-only; channels as in the module's table.

    Raises:
        ImageError: With ``reason`` ``not_png`` (another file), ``truncated`` (the end is missing),
            ``bad_header``, ``too_many_pixels`` or ``bad_data`` (damaged).
    """
    return _decoded(read_parts(data, pixel_cap))


def read_png(data: bytes, pixel_cap: int = PIXEL_CAP) -> Pixels | FilteredRows:
    """`decode_png` whose last step waits for a small picture: `unfilter_all` takes many at once.

    What it returns is free of faults; arguments and errors are those of `decode_png`.
    """
    parts = read_parts(data, pixel_cap)
    return filtered_rows(parts) or _decoded(parts)


def _decoded(parts: PngParts) -> Pixels:
    pixels = _unfiltered(parts)
    if parts.colour == PALETTE:
        return _colours(pixels, parts)
    if parts.transparency is not None:
        return _with_alpha(pixels, parts)
    return pixels


def _unfiltered(parts: PngParts) -> Pixels:
    mode, raw_mode = _MODES[parts.depth, parts.colour]
    shape = (parts.height, parts.width, -1)
    twice = parts.depth == 16 and parts.colour in (RGB, RGBA)
    raw_modes = (raw_mode, raw_mode.replace("16B", "16L")) if twice else (raw_mode,)
    try:
        found = unfilter(
            stored_blocks(parts), parts.width, parts.height, parts.interlaced, mode, raw_modes
        )
        if parts.depth < 16:
            return np.frombuffer(found[0], np.uint8).reshape(shape)
        if parts.colour == GREY:
            return np.frombuffer(found[0], "<u2").astype(np.uint16, copy=False).reshape(shape)
        if parts.colour == GREY_ALPHA:
            return read_only(np.frombuffer(found[0], ">u2").astype(np.uint16).reshape(shape))
        halves = np.empty((len(found[0]), 2), np.uint8)
        for byte in (0, 1):  # low first: on nearly all machines that is a uint16 already
            halves[:, byte] = np.frombuffer(found.pop(), np.uint8)
        return read_only(halves.view("<u2").astype(np.uint16, copy=False).reshape(shape))
    except MemoryError:
        raise no_memory(parts.width, parts.height) from None
    except ImageError:
        raise
    except (ValueError, OSError) as error:
        raise ImageError("bad_data", f"the image data is damaged: {error}") from None


def _colours(indices: Pixels, parts: PngParts) -> Pixels:
    # A number beyond the palette is an error that libpng and Pillow let pass as opaque black.
    palette = np.zeros((256, 3), np.uint8)
    listed = np.frombuffer(parts.palette or b"", np.uint8).reshape(-1, 3)
    palette[: len(listed)] = listed
    if parts.transparency is not None:
        # Colours beyond the end of tRNS are opaque.
        alpha = np.full((256, 1), 255, np.uint8)
        alpha[: len(parts.transparency), 0] = np.frombuffer(parts.transparency, np.uint8)
        palette = np.concatenate([palette, alpha], axis=1)
    height, width, _ = indices.shape
    pixels = np.empty((height, width, palette.shape[1]), np.uint8)
    # In parts: numpy makes eight bytes of each number.
    step = max(1, _AT_ONCE // width)
    for top in range(0, height, step):
        part = indices[top : top + step, :, 0]
        np.take(palette, part, axis=0, out=pixels[top : top + step], mode="clip")
    return read_only(pixels)


def _with_alpha(pixels: Pixels, parts: PngParts) -> Pixels:
    full = np.iinfo(pixels.dtype).max
    sample = (1 << parts.depth) - 1
    # Only the low `depth` bits of a tRNS sample count; pixels of fewer bits were scaled to 0..255.
    stretch = full // sample
    key = np.frombuffer(parts.transparency or b"", ">u2").astype(np.uint16) & sample
    opaque = (pixels != (key * stretch).astype(pixels.dtype)).any(axis=2, keepdims=True)
    alpha = opaque.astype(pixels.dtype)
    alpha *= full
    return read_only(np.concatenate([pixels, alpha], axis=2))


def encode_png(pixels: Pixels, level: int = 6) -> bytes:
    """Encodes an array as a PNG file; the same array gives the same bytes.

    Args:
        pixels: ``(H, W, C)``, 1 to 4 channels (grey, grey + alpha, RGB, RGBA), uint8 or uint16.
        level: zlib's effort, 0..9.

    Raises:
        InputError: Another shape or dtype.
    """
    check_encodable(pixels)
    height, width, channels = pixels.shape
    depth = 8 * pixels.dtype.itemsize
    big_endian = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder(">"))
    rows = big_endian.view(np.uint8).reshape(height, -1)
    lines = np.empty((height, rows.shape[1] + 1), np.uint8)
    if height * width < _SMALL:
        lines[:, 0], lines[:, 1:] = _FILTER_NONE, rows
    else:
        lines[:, 0], lines[0, 1:] = _FILTER_UP, rows[0]
        np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, depth, _COLOUR_OF_CHANNELS[channels], 0, 0, 0)
    return b"".join(
        (
            SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", zlib.compress(lines.tobytes(), level)),
            _chunk(b"IEND", b""),
        )
    )


# Below this many pixels a filter costs more time than it saves bytes.
_SMALL = 64 * 64


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
