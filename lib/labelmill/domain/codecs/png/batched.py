"""Undoes the row filters of many small PNG images of one size in one call.

For a small image, the overhead around a decoder (a picture object, its memory, the way in and out)
costs several times as much as its rows. So small images keep their filtered rows and are stacked into
one tall picture later. A row of zeros between two images keeps a filter from reading its neighbour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from isal import isal_zlib

from labelmill.domain.codecs.pixels import MODES, Pixels
from labelmill.domain.codecs.png.chunks import PALETTE, SAMPLES, PngParts
from labelmill.domain.codecs.png.filters import unfilter
from labelmill.domain.codecs.png.inflate import inflated_at_once, raw_length, stored

SIDE = 32
"""Largest width and height of a batched image, in pixels. A larger one gains little, and its pixels
are needed at once for the thumbnail."""

_FILTERS = bytes(range(5))
# Several times what the rows of such an image can need.
_MOST_COMPRESSED = 1 << 14
# One stored block of deflate; larger pieces leave the processor's cache.
_AT_ONCE = 0xFFFF


class FilteredRows(NamedTuple):
    """An 8-bit image whose rows are complete and have valid filters, still filtered.

    Args:
        rows: Each with its filter byte, as in the file.
        shape: ``(H, W, C)`` of the pixels.
    """

    rows: bytes
    shape: tuple[int, int, int]

    @property
    def nbytes(self) -> int:
        """Approximate bytes of the pixels."""
        return len(self.rows)

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """Of the pixels."""
        return _UINT8


_UINT8 = np.dtype(np.uint8)


def filtered_rows(parts: PngParts) -> FilteredRows | None:
    """The filtered rows of an image that is to be batched; None: `codec` decodes it at once."""
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


def unfilter_all(pictures: Sequence[Pixels | FilteredRows]) -> list[Pixels]:
    """Pixels of all images, in the same order; images that are decoded already pass through.

    Returns:
        ``(H, W, C)`` uint8 each where rows were given, read-only: views of blocks of up to 64 KiB
        that images of one call share.
    """
    found: list[Pixels] = [one for one in pictures if not isinstance(one, FilteredRows)]
    if len(found) == len(pictures):
        return found
    batched: dict[tuple[int, int, int], list[bytes]] = {}
    for one in pictures:
        if isinstance(one, FilteredRows):
            batched.setdefault(one.shape, []).append(one.rows)
    if not found and len(batched) == 1:
        ((shape, rows),) = batched.items()
        return list(_unfilter(rows, shape))
    ready = {shape: _unfilter(rows, shape) for shape, rows in batched.items()}
    others = iter(found)
    return [
        next(ready[one.shape]) if isinstance(one, FilteredRows) else next(others)
        for one in pictures
    ]


def _unfilter(pictures: list[bytes], shape: tuple[int, int, int]) -> Iterator[Pixels]:
    height, width, channels = shape
    gap = bytes(1 + width * channels)
    many = _AT_ONCE // ((height + 1) * len(gap))
    mode = MODES[channels]
    for start in range(0, len(pictures), many):
        some = pictures[start : start + many]
        if len(some) == 1:
            (pixels,) = unfilter([stored(some[0])], width, height, False, mode, (mode,))
            yield np.frombuffer(pixels, np.uint8).reshape(shape)
            continue
        stream = stored(gap + gap.join(some))
        lines = len(some) * (height + 1)
        (pixels,) = unfilter([stream], width, lines, False, mode, (mode,))
        tall = np.frombuffer(pixels, np.uint8).reshape(len(some), height + 1, width, channels)
        yield from tall[:, 1:]
