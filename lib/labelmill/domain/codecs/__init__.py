"""Bytes of image files to arrays and back, one format a module (docs/reference/formats.md)."""

from __future__ import annotations

from labelmill.domain.codecs.magic import kind_of, netpbm_begins
from labelmill.domain.codecs.netpbm.codec import decode_netpbm
from labelmill.domain.codecs.netpbm.header import guesses_colours
from labelmill.domain.codecs.pixels import PIXEL_CAP, Pixels
from labelmill.domain.codecs.png.batched import FilteredRows, unfilter_all
from labelmill.domain.codecs.png.chunks import SIGNATURE
from labelmill.domain.codecs.png.codec import read_png
from labelmill.errors import ImageError

__all__ = [
    "IMAGE_ENDINGS",
    "PIXEL_CAP",
    "FilteredRows",
    "Pixels",
    "decode_image",
    "guesses_colours",
    "read_image",
    "unfilter_all",
]

IMAGE_ENDINGS = (".png", ".pgm", ".ppm", ".pam", ".pnm", ".pbm")
"""Ends of names, in lower case, of files that are images."""


def read_image(data: bytes, pixel_cap: int = PIXEL_CAP, name: str = "") -> Pixels | FilteredRows:
    """Reads an image file of any known format; what comes is free of faults.

    A name that ends in ``.png`` promises a PNG file; under any other name the first bytes decide.

    Args:
        data: The whole file.
        pixel_cap: Most pixels (width × height); checked before memory is taken.
        name: Name or path of the file, as far as one is known; only its end counts.

    Returns:
        ``(H, W, C)`` uint8 or uint16, C order, read-only; of a small PNG file its rows, for `unfilter_all`.

    Raises:
        ImageError: With ``reason`` ``not_png`` (named ``.png``, but another file), ``unknown_format``
            (neither PNG nor netpbm), ``truncated``, ``bad_header``, ``too_many_pixels`` or ``bad_data``.
    """
    if name[-4:].lower() == ".png" or (len(data) > 3 and SIGNATURE.startswith(data[:8])):
        return read_png(data, pixel_cap)
    if netpbm_begins(data):
        return decode_netpbm(data, pixel_cap)
    what, advice = kind_of(data)
    raise ImageError(
        "unknown_format",
        f"expected a PNG or netpbm image, received {what} (bytes {data[:8].hex(' ') or 'none'}); "
        f"{advice}",
    )


def decode_image(data: bytes, pixel_cap: int = PIXEL_CAP, name: str = "") -> Pixels:
    """`read_image` to its end, for one image by itself."""
    return unfilter_all([read_image(data, pixel_cap, name)])[0]
