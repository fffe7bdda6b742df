"""PNG files made by hand, chunk by chunk, good and bad: independent of the codec under test.

Format: PNG, third edition, https://www.w3.org/TR/png-3/.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator
from itertools import product

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"

KINDS = (
    *product((1, 2, 4, 8, 16), (0,)),
    *product((8, 16), (2, 4, 6)),
    *product((1, 2, 4, 8), (3,)),
)
"""(depth, colour type): all that there are."""

SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples a pixel, by colour type."""

# Adam7 (§8.2) as it is drawn there: the pass of each pixel of an 8×8 field.
_PASS_OF = (
    "16462646",
    "77777777",
    "56565656",
    "77777777",
    "36463646",
    "77777777",
    "56565656",
    "77777777",
)


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


def every_kind(width: int = 9, height: int = 7, seed: int = 0) -> list[bytes]:
    """A file of every colour type, depth and interlace method, with and without ``tRNS``.

    Samples, palettes and the filters of rows are by chance, from the seed.
    """
    return list(_every_kind(width, height, random.Random(seed)))


def _every_kind(width: int, height: int, chance: random.Random) -> Iterator[bytes]:
    for (depth, colour), interlace, clear in product(KINDS, (0, 1), (False, True)):
        if clear and colour in (4, 6):
            continue
        raw = bytearray()
        for pixels in _row_widths(width, height, bool(interlace)):
            length = (pixels * depth * SAMPLES[colour] + 7) // 8
            raw += bytes([chance.randrange(5)]) + chance.randbytes(length)
        before = []
        colours = 1 << depth
        if colour == 3:
            before.append(chunk(b"PLTE", chance.randbytes(3 * colours)))
        if clear:
            size = chance.randint(1, colours) if colour == 3 else 2 * SAMPLES[colour]
            before.append(chunk(b"tRNS", chance.randbytes(size)))
        yield png(header(width, height, depth, colour, interlace), bytes(raw), *before)


def _row_widths(width: int, height: int, interlaced: bool) -> list[int]:
    """Pixels of each row that is stored, in the order of storage."""
    if not interlaced:
        return [width] * height
    rows = []
    for number in "1234567":
        for y in range(height):
            pixels = sum(_PASS_OF[y % 8][x % 8] == number for x in range(width))
            rows += [pixels] if pixels else []
    return rows


def promised_shapes(data: bytes) -> set[tuple[int, int, int]]:
    """Height, width and channels that a file's header promises; empty without a header.

    With a ``tRNS`` chunk there are two: a damaged one is left out, and no alpha comes of it.

    Reads as little as can be and checks nothing: for holding a decoder's answer against.
    """
    if len(data) < 33 or data[12:16] != b"IHDR":
        return set()
    width, height, _, colour = struct.unpack_from(">IIBB", data, 16)
    position, clear = 33, False
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IDAT":
            break
        clear = clear or kind == b"tRNS"
        position += length + 12
    channels = 3 if colour == 3 else SAMPLES.get(colour, 0)
    return {(height, width, channels), (height, width, channels + clear)}


def noise(width: int, height: int, depth: int, colour: int, seed: int = 5) -> bytes:
    """A file of rows of every filter by chance, with noise in them."""
    random = np.random.default_rng(seed)
    rows = random.integers(0, 256, (height, 1 + width * depth // 8 * SAMPLES[colour]), np.uint8)
    rows[:, 0] = random.integers(0, 5, height)
    return png(header(width, height, depth, colour), rows.tobytes())
