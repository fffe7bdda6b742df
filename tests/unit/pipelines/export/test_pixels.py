"""Pixels as files of every format, byte for byte what was decoded."""

from __future__ import annotations

import io

import numpy as np
import pytest

from labelmill.domain.codecs import decode_image
from labelmill.domain.codecs.pixels import Pixels
from labelmill.domain.codecs.png.codec import decode_png
from labelmill.domain.images.image import from_bytes
from labelmill.pipelines.export.file_names import FORMATS, Format, ending_of
from labelmill.pipelines.export.pixels import encode
from labelmill.testing.png.files import every_kind


@pytest.mark.parametrize("format", FORMATS)
def test_every_kind_of_png_comes_back_from_every_format(format: Format) -> None:
    shapes = set()
    for data in every_kind():
        pixels = decode_png(data)
        little = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
        stored = from_bytes(little, pixels.shape, pixels.dtype.name)
        back = _decoded(encode(stored, format), ending_of(format, pixels.shape[2]))
        assert back.dtype == pixels.dtype
        np.testing.assert_array_equal(back, pixels)
        shapes.add((pixels.shape[2], pixels.dtype.name))
    assert len(shapes) == 8, "1 to 4 channels of 8 and 16 bits"


def _decoded(data: bytes, ending: str) -> Pixels:
    if ending == ".npy":
        pixels: Pixels = np.load(io.BytesIO(data), allow_pickle=False)
        return pixels
    return decode_image(data, name=f"x{ending}")
