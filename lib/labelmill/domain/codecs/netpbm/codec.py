"""Netpbm files (PBM, PGM, PPM, PAM) to arrays and back.

What becomes what (decision 0060):

=================================  ============================================================
P1, P4 (bitmap, 1 is black)        ``(H, W, 1)`` uint8, black 0, white 255
P2, P5 (grey), PAM GRAYSCALE       ``(H, W, 1)``
P3, P6 (colour), PAM RGB           ``(H, W, 3)``
PAM GRAYSCALE_ALPHA, RGB_ALPHA     ``(H, W, 2)``, ``(H, W, 4)``
PAM BLACKANDWHITE[_ALPHA]          as grey (here 1 is white), 0 or 255
=================================  ============================================================

Samples are scaled from 0..maxval to the whole range of the dtype, rounded half up: uint8 for a maxval
below 256, else uint16. Files may hold several images after one another: the first one is taken, and
whatever follows it is ignored. Formats: https://netpbm.sourceforge.net/doc/ (pbm, pgm, ppm, pam).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from labelmill.domain.codecs.netpbm.header import NetpbmHeader, read_header
from labelmill.domain.codecs.netpbm.text import bits_of_text, check_samples, numbers_of_text
from labelmill.domain.codecs.pixels import (
    PIXEL_CAP,
    Pixels,
    check_encodable,
    no_memory,
    read_only,
)


def decode_netpbm(data: bytes, pixel_cap: int = PIXEL_CAP) -> Pixels:
    """Decodes the first image of a netpbm file, P1 to P7.

    Args:
        data: The whole file.
        pixel_cap: Most pixels (width × height); checked before memory is taken.

    Returns:
        ``(H, W, C)`` uint8 or uint16, C order, read-only; channels as in the module's table.

    Raises:
        ImageError: With ``reason`` ``truncated`` (samples are missing), ``bad_header``,
            ``too_many_pixels`` or ``bad_data`` (a sample above the maxval, or no number).
    """
    header = read_header(data, pixel_cap)
    shape = (header.height, header.width, header.channels)
    try:
        return read_only(_READERS[header.magic](data, header).reshape(shape))
    except MemoryError:
        raise no_memory(header.width, header.height) from None


def _bits(data: bytes, header: NetpbmHeader) -> Pixels:
    packed = np.frombuffer(data, np.uint8, header.raster_bytes, header.start)
    rows = packed.reshape(header.height, -1)
    return _black_ones(np.unpackbits(rows, axis=1, count=header.width))


def _bits_in_text(data: bytes, header: NetpbmHeader) -> Pixels:
    return _black_ones(bits_of_text(data, header.start, header.samples))


def _black_ones(bits: npt.NDArray[np.uint8]) -> Pixels:
    return (bits - np.uint8(1)) & np.uint8(255)  # 0 → 255 by wrapping, 1 → 0


def _numbers(data: bytes, header: NetpbmHeader) -> Pixels:
    if header.maxval > 255:
        wide = np.frombuffer(data, ">u2", header.samples, header.start)
        return _scaled(wide.astype(np.uint16), header.maxval)
    return _scaled(np.frombuffer(data, np.uint8, header.samples, header.start), header.maxval)


def _numbers_in_text(data: bytes, header: NetpbmHeader) -> Pixels:
    return _scaled(
        numbers_of_text(data, header.start, header.samples, header.maxval), header.maxval
    )


_READERS: dict[int, Callable[[bytes, NetpbmHeader], Pixels]] = {
    1: _bits_in_text,
    2: _numbers_in_text,
    3: _numbers_in_text,
    4: _bits,
    5: _numbers,
    6: _numbers,
    7: _numbers,
}


def _scaled(samples: Pixels, maxval: int) -> Pixels:
    """Samples 0..maxval as ⌊sample · full / maxval + ½⌋, in whole numbers."""
    full = int(np.iinfo(samples.dtype).max)
    if maxval == full:
        return samples
    check_samples(samples, maxval)
    steps = np.arange(maxval + 1, dtype=np.int64)
    table = (2 * full * steps + maxval) // (2 * maxval)
    return table.astype(np.uint8)[samples] if full == 255 else table.astype(np.uint16)[samples]


_TUPLES = {2: "GRAYSCALE_ALPHA", 4: "RGB_ALPHA"}


def encode_netpbm(pixels: Pixels) -> bytes:
    """Encodes an array as PGM (1 channel), PPM (3) or PAM (2 or 4); binary, exact.

    Args:
        pixels: ``(H, W, C)``, 1 to 4 channels (grey, grey + alpha, RGB, RGBA), uint8 or uint16;
            the maxval is 255 or 65535.

    Raises:
        InputError: Another shape or dtype.
    """
    check_encodable(pixels)
    height, width, channels = pixels.shape
    maxval = np.iinfo(pixels.dtype).max
    if channels in _TUPLES:
        header = (
            f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {maxval}\n"
            f"TUPLTYPE {_TUPLES[channels]}\nENDHDR\n"
        )
    else:
        header = f"P{5 if channels == 1 else 6}\n{width} {height}\n{maxval}\n"
    return header.encode() + pixels.astype(pixels.dtype.newbyteorder(">"), copy=False).tobytes()
