"""PNG's row filters undone in C: by libspng where it can (`png_spng`), else by Pillow's decoder.

For small images nearly all time of `Image.frombytes` and `Image.tobytes` goes into what they do around
the decoder: 10 µs of 18 for one of 28×28. So the decoder is called itself, as those two do it. It is no
public part of Pillow, hence tried out when this module is imported: where it is not as expected, the
public functions do the same, slower (decision 0062).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image

from labelmill.domain.codecs.png import spng as png_spng

# Mode → raw mode to give its pixels in, and bytes of a pixel.
_GIVEN = {
    "1": ("L", 1),
    "L": ("L", 1),
    "P": ("P", 1),
    "LA": ("LA", 2),
    "I;16": ("I;16", 2),
    "RGB": ("RGB", 3),
    "RGBA": ("RGBA", 4),
}


def unfiltered(
    blocks: Iterable[bytes],
    width: int,
    height: int,
    interlaced: bool,
    mode: str,
    raw_modes: tuple[str, ...],
) -> list[bytes] | list[npt.NDArray[np.uint8]]:
    """Pixels of a picture whose rows come as a zlib stream.

    Args:
        blocks: The stream in pieces; all rows must be there.
        width: Pixels.
        height: Pixels.
        interlaced: Adam7.
        mode: Pillow's mode of the picture.
        raw_modes: Pillow's names of how samples lie in the rows.

    Returns:
        The picture's bytes as each of the raw modes sees it, read-only; bits as 0 and 255.

    Raises:
        ValueError: A filter that does not exist.
        MemoryError: No room for the picture.
    """
    if _SPNG_AS_EXPECTED and png_spng.takes(width, height, interlaced, mode, raw_modes):
        blocks = list(blocks)
        pixels = png_spng.unfiltered(blocks, width, height, mode)
        if pixels is not None:
            return [pixels]
        # What is wrong is Pillow's to say: it is the reference.
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
    taken = fault = 0
    for block in blocks:
        for decoder in decoders:
            # Bytes taken, or -1 when the stream has ended; a code that is not 0 for a fault.
            taken, fault = decoder.decode(block)
            if fault:
                raise ValueError(f"a row cannot be decoded (code {fault})")
    if taken >= 0:
        raise ValueError("the rows end early")
    given, size = _GIVEN[mode]
    found = []
    decoders.clear()
    while pictures:  # a picture at a time is given and let go
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
    # Rows of every filter, the sums of which run over.
    for mode, size in (("RGB", 3), ("RGBA", 4)):
        rows = b"".join(bytes([i % 5, *range(200 + i, 0, -17)][: 1 + 2 * size]) for i in range(7))
        stream = zlib.compress(rows, 0)
        try:
            pixels = png_spng.unfiltered([stream], 2, 7, mode)
            (wanted,) = _by_public([stream], 2, 7, False, mode, (mode,))
            if pixels is None or pixels.tobytes() != wanted:
                return False
        except Exception:
            return False
    return True


def _core_as_expected() -> bool:
    rows = bytes([0, 1, 2, 2, 3, 4])  # the second one is filtered: added to what is above
    stream = zlib.compress(rows)
    try:
        return _by_core([stream[:5], stream[5:]], 2, 2, False, "L", ("L",)) == [b"\1\2\4\6"]
    except Exception:
        return False


_CORE_AS_EXPECTED = _core_as_expected()
_SPNG_AS_EXPECTED = png_spng.IS_THERE and _spng_as_expected()
