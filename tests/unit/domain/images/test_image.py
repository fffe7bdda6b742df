from __future__ import annotations

import io
import math
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from labelmill.domain.images.image import (
    from_bytes,
    image_id_of,
    statistics,
    statistics_of,
    thumbnail,
)
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


@pytest.mark.parametrize("side", [1, 3, 28, 200])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_statistics_are_those_of_exact_arithmetic(side: int, channels: int, dtype: type) -> None:
    full = int(np.iinfo(dtype).max)
    random = np.random.default_rng(side * channels)
    for pixels in (
        random.integers(0, full + 1, (side, side, channels)).astype(dtype),
        np.full((side, side, channels), full, dtype),
        random.integers(0, full + 1, (2 * side, side, channels)).astype(dtype)[::2, ::-1],
    ):
        samples = pixels[:, :, : {1: 1, 2: 1, 3: 3, 4: 3}[channels]].ravel().tolist()
        mean = Fraction(sum(samples), len(samples))
        variance = Fraction(sum(v * v for v in samples), len(samples)) - mean**2
        found = statistics(pixels)
        assert found.mean == float(mean / full)
        assert found.std == pytest.approx(math.sqrt(variance) / full, rel=1e-15)
        assert found.ink == sum(v > full / 2 for v in samples) / len(samples)


def test_statistics_of_images_of_one_shape_are_those_of_each() -> None:
    random = np.random.default_rng(5)
    images = [
        random.integers(0, full + 1, shape).astype(dtype)
        for shape, dtype, full in (
            *(((28, 28, 1), np.uint8, 255),) * 700,
            ((127, 129, 1), np.uint8, 255),
            *(((9, 5, 3), np.uint8, 255),) * 3,
            ((9, 5, 4), np.uint8, 255),
            ((9, 5, 1), np.uint16, 65535),
        )
    ] + [np.full((127, 129, 1), 255, np.uint8)]
    random.shuffle(images)  # type: ignore[arg-type]
    assert [*map(tuple, statistics_of(images))] == [statistics(pixels) for pixels in images]


def test_statistics_of_many_pixels_take_little_memory_beside_them() -> None:
    for channels, dtype in ((1, np.uint8), (4, np.uint8), (1, np.uint16)):
        pixels = np.zeros((2000, 2000, channels), dtype)
        tracemalloc.start()
        statistics(pixels)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 5 << 20
