"""PNG files made by hand, chunk by chunk, for tests: independent of the encoder under test."""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes = b"", crc: int | None = None) -> bytes:
    """One chunk; ``crc`` replaces the right checksum."""
    right = zlib.crc32(kind + data)
    return (
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", right if crc is None else crc)
    )


def header(width: int, height: int, depth: int = 8, colour: int = 0, interlace: int = 0) -> bytes:
    """The IHDR chunk."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


def png(ihdr: bytes, raw: bytes, *before: bytes, end: bytes | None = None) -> bytes:
    """A file of header, chunks ``before`` the image data, the packed ``raw`` rows, and the end."""
    tail = chunk(b"IEND") if end is None else end
    return SIGNATURE + ihdr + b"".join(before) + chunk(b"IDAT", zlib.compress(raw)) + tail
