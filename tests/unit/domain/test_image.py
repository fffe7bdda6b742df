from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from labelmill.domain.image import from_bytes, image_id_of, statistics, thumbnail
from labelmill.errors import InputError


def test_identity_is_the_sha256_of_the_file() -> None:
    assert image_id_of(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_stored_bytes_are_little_endian_and_fit_their_shape() -> None:
    found = from_bytes(b"\x01\x00\x00\x02", (2, 1, 1), "uint16")
    assert found.tolist() == [[[1]], [[512]]]
    for data, dtype in ((b"abc", "uint16"), (b"abcd", "uint8"), (b"ab", "uint99")):
        with pytest.raises(InputError, match=r"2.1.1|uint99"):
            from_bytes(data, (2, 1, 1), dtype)


def test_statistics_by_hand() -> None:
    pixels = np.array([[[0], [255]], [[255], [255]]], np.uint8)
    found = statistics(pixels)
    assert found.mean == pytest.approx(0.75)
    assert found.std == pytest.approx(0.4330127)  # sqrt(3/16)
    assert found.ink == pytest.approx(0.75)


def test_statistics_leave_alpha_out_and_know_the_range() -> None:
    pixels = np.array([[[65535, 0], [0, 0]]], np.uint16)
    assert statistics(pixels) == pytest.approx((0.5, 0.5, 0.5))
    assert statistics(np.full((1, 1, 4), 128, np.uint8)).ink == 1.0
    assert statistics(np.full((1, 1, 4), 127, np.uint8)).ink == 0.0


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_thumbnail_fits_the_side_and_keeps_the_form(channels: int) -> None:
    large = np.full((100, 50, channels), 200, np.uint8)
    image = Image.open(io.BytesIO(thumbnail(large)))
    assert image.size == (16, 32)
    assert np.asarray(image).max() == 200
    assert Image.open(io.BytesIO(thumbnail(np.zeros((1, 900, channels), np.uint8)))).size == (32, 1)


def test_thumbnail_of_a_small_image_is_the_image() -> None:
    pixels = np.arange(28 * 28, dtype=np.uint16).reshape(28, 28, 1) * 80
    shown = np.asarray(Image.open(io.BytesIO(thumbnail(pixels))))
    np.testing.assert_array_equal(shown, pixels[:, :, 0] >> 8)
