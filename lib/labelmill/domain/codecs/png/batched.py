"""Small PNG pictures of one size, their row filters undone in one call.

What stands around a decoder (a picture, its memory, the way in and out) costs several times what the rows
of a small picture cost. So small ones wait with their rows as they are, and are laid below each other
as one tall picture. A row of nothing between two of them keeps a filter from looking at another picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from isal import isal_zlib

from labelmill.domain.codecs.pixels import MODES, Pixels
from labelmill.domain.codecs.png.chunks import PALETTE, SAMPLES, PngParts
from labelmill.domain.codecs.png.filters import unfiltered
from labelmill.domain.codecs.png.inflate import inflated_at_once, raw_length, stored

SIDE = 32
"""Most pixels of width and height of a picture that waits for others; what a larger one saves is
little, and it is wanted at once, for its thumbnail."""

_FILTERS = bytes(range(5))
# Several times what rows of such a picture can need.
_MOST_COMPRESSED = 1 << 14
# One stored block of deflate; more at once leave the processor's cache.
_AT_ONCE = 0xFFFF


class FilteredRows(NamedTuple):
    """A picture of 8 bits a sample whose rows are whole and have filters that exist.

    Args:
        rows: Each with its filter byte, as the file has them.
        shape: ``(H, W, C)`` of the pixels.
    """

    rows: bytes
    shape: tuple[int, int, int]

    @property
    def nbytes(self) -> int:
        """About those of the pixels."""
        return len(self.rows)

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """Of the pixels."""
        return _UINT8


_UINT8 = np.dtype(np.uint8)


def filtered_rows(parts: PngParts) -> FilteredRows | None:
    """The picture, if it is one of those that wait; None: `labelmill.domain.codecs.png.codec` decodes it."""
    if parts.depth != 8 or parts.interlaced or parts.colour == PALETTE:
        return None
    if parts.transparency is not None:
        return None
    if max(parts.width, parts.height) > SIDE or len(parts.compressed) > _MOST_COMPRESSED:
        return None
    length = raw_length(parts)
    try:
        rows = inflated_at_once(parts.compressed, length)
    except isal_zlib.error:  # type: ignore[misc]
        return None
    if rows is None or rows[:: length // parts.height].translate(None, _FILTERS):
        return None
    channels = SAMPLES[parts.colour]
    return FilteredRows(rows, (parts.height, parts.width, channels))


def undone(pictures: Sequence[Pixels | FilteredRows]) -> list[Pixels]:
    """All pictures' pixels, in the same order; those that are decoded already stay what they are.

    Returns:
        ``(H, W, C)`` uint8 each where rows were given, read-only: views of up to 64 KiB that all
        pictures of one call share.
    """
    found: list[Pixels] = [one for one in pictures if not isinstance(one, FilteredRows)]
    if len(found) == len(pictures):
        return found
    alike: dict[tuple[int, int, int], list[bytes]] = {}
    for one in pictures:
        if isinstance(one, FilteredRows):
            alike.setdefault(one.shape, []).append(one.rows)
    if not found and len(alike) == 1:
        ((shape, rows),) = alike.items()
        return list(_undone(rows, shape))
    ready = {shape: _undone(rows, shape) for shape, rows in alike.items()}
    others = iter(found)
    return [
        next(ready[one.shape]) if isinstance(one, FilteredRows) else next(others)
        for one in pictures
    ]


def _undone(pictures: list[bytes], shape: tuple[int, int, int]) -> Iterator[Pixels]:
    height, width, channels = shape
    nothing = bytes(1 + width * channels)
    many = _AT_ONCE // ((height + 1) * len(nothing))
    mode = MODES[channels]
    for start in range(0, len(pictures), many):
        some = pictures[start : start + many]
        if len(some) == 1:
            (pixels,) = unfiltered([stored(some[0])], width, height, False, mode, (mode,))
            yield np.frombuffer(pixels, np.uint8).reshape(shape)
            continue
        stream = stored(nothing + nothing.join(some))
        lines = len(some) * (height + 1)
        (pixels,) = unfiltered([stream], width, lines, False, mode, (mode,))
        tall = np.frombuffer(pixels, np.uint8).reshape(len(some), height + 1, width, channels)
        yield from tall[:, 1:]
