"""Undoes PNG's row filters in C: through libspng where it applies (`spng`), else Pillow's decoder.

For small images, most of the time of `Image.frombytes` and `Image.tobytes` is overhead around the
decoder: 10 of 18 µs at 28×28. So the decoder is called directly, as those two call it. It is not a
public part of Pillow and is therefore checked when this module is imported; where it does not behave
as expected, the public functions do the same, slower (decision 0062).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image

from labelmill.domain.codecs.png import spng

# Mode → raw mode of the output, and bytes per pixel.
_GIVEN = {
    "1": ("L", 1),
    "L": ("L", 1),
    "P": ("P", 1),
    "LA": ("LA", 2),
    "I;16": ("I;16", 2),
    "RGB": ("RGB", 3),
    "RGBA": ("RGBA", 4),
}


def unfilter(
    blocks: Iterable[bytes],
    width: int,
    height: int,
    interlaced: bool,
    mode: str,
    raw_modes: tuple[str, ...],
) -> list[bytes] | list[npt.NDArray[np.uint8]]:
    """Undoes the filters of an image whose rows arrive as a zlib stream.

    Args:
        blocks: The stream in pieces; all rows must be present.
        width: Pixels.
        height: Pixels.
        interlaced: Adam7.
        mode: Pillow's mode of the image.
        raw_modes: Pillow's names of the sample layouts to read the rows in.

    Returns:
        The image's bytes in each of the raw modes, read-only; single bits become 0 and 255.

    Raises:
        ValueError: An invalid filter.
        MemoryError: No room for the image.
    """
    if _SPNG_AS_EXPECTED and spng.supports(width, height, interlaced, mode, raw_modes):
        blocks = list(blocks)
        pixels = spng.unfilter(blocks, width, height, mode)
        if pixels is not None:
            return [pixels]
        # Pillow is the reference: it says what is wrong.
    run = _by_core if _CORE_AS_EXPECTED else _by_public
    return run(blocks, width, height, interlaced, mode, raw_modes)


def _by_core(
    blocks: Iterable[bytes],
    width: int,
    height: int,
    interlaced: bool,
    mode: str,
    raw_modes: tuple[str, ...],
) -> list[bytes]:
    core, box = Image.core, (0, 0, width, height)  # type: ignore[attr-defined]
    pictures, decoders = [], []
    for raw_mode in raw_modes:
        picture = core.new(mode, (width, height))
        decoder = core.zip_decoder(mode, raw_mode, int(interlaced))
        decoder.setimage(picture, box)
        pictures.append(picture)
        decoders.append(decoder)
    consumed = fault = 0
    for block in blocks:
        for decoder in decoders:
            # Bytes consumed, or -1 at the end of the stream; a nonzero code for an error.
            consumed, fault = decoder.decode(block)
            if fault:
                raise ValueError(f"a row cannot be decoded (code {fault})")
    if consumed >= 0:
        raise ValueError("the rows end early")
    given, size = _GIVEN[mode]
    found = []
    decoders.clear()
    while pictures:  # one picture at a time is read out and released
        encoder = core.raw_encoder(mode, given, 0, 1)
        encoder.setimage(pictures.pop(0), box)
        found.append(encoder.encode(width * height * size)[2])
    return found


def _by_public(
    blocks: Iterable[bytes],
    width: int,
    height: int,
    interlaced: bool,
    mode: str,
    raw_modes: tuple[str, ...],
) -> list[bytes]:
    stream, given = b"".join(blocks), _GIVEN[mode][0]
    return [
        Image.frombytes(mode, (width, height), stream, "zip", (raw_mode, int(interlaced))).tobytes(
            "raw", given
        )
        for raw_mode in raw_modes
    ]


def _spng_as_expected() -> bool:
    # Rows with every filter, whose sums overflow a byte.
    for mode, size in (("RGB", 3), ("RGBA", 4)):
        rows = b"".join(bytes([i % 5, *range(200 + i, 0, -17)][: 1 + 2 * size]) for i in range(7))
        stream = zlib.compress(rows, 0)
        try:
            pixels = spng.unfilter([stream], 2, 7, mode)
            (wanted,) = _by_public([stream], 2, 7, False, mode, (mode,))
            if pixels is None or pixels.tobytes() != wanted:
                return False
        except Exception:
            return False
    return True


def _core_as_expected() -> bool:
    rows = bytes([0, 1, 2, 2, 3, 4])  # the second row is filtered: it is added to the row above
    stream = zlib.compress(rows)
    try:
        return _by_core([stream[:5], stream[5:]], 2, 2, False, "L", ("L",)) == [b"\1\2\4\6"]
    except Exception:
        return False


_CORE_AS_EXPECTED = _core_as_expected()
_SPNG_AS_EXPECTED = spng.AVAILABLE and _spng_as_expected()
