"""How much memory a file's pixels will take, from its first bytes."""

from __future__ import annotations

import struct

_HEADER = struct.Struct(">IIBB")
_SAMPLES = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}

_MOST = 8 * 1032
"""Bytes of pixels that one byte of a PNG can stand for: deflate packs 1,032 into one, and there are up to
eight pixels in a byte. Who promises more lies."""


def pixel_bytes(data: bytes, size: int) -> int:
    """Bytes of the decoded array, as far as a PNG's header tells; `size` for other files.

    Args:
        data: The file, or its first 26 bytes at least.
        size: Bytes of the file.
    """
    if data[12:16] != b"IHDR" or len(data) < 26:
        return size
    width, height, depth, colour = _HEADER.unpack_from(data, 16)
    promised: int = width * height * _SAMPLES.get(colour, 4) * (2 if depth == 16 else 1)
    return min(promised, size * _MOST)
