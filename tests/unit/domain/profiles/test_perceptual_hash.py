"""Copies look the same, others do not, whatever batch they come in."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from labelmill.domain.profiles.perceptual_hash import (
    OUTLINE_BYTES,
    SIDE,
    grey_thumbnails,
    hamming,
    likeness,
    looks,
)

Pixels = npt.NDArray[np.uint8]


def photo(seed: int, side: int = 64) -> Pixels:
    """Random discs with edges, RGB: more like a photograph than noise is."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    image = np.full((side, side, 3), 100.0)
    for _ in range(12):
        a, b, radius = random.random(3)
        disc = (x - a) ** 2 + (y - b) ** 2 < (0.05 + 0.3 * radius) ** 2
        image[disc] = random.integers(30, 220, 3)
    return image.astype(np.uint8)


def halved(image: Pixels) -> Pixels:
    height, width, channels = image.shape
    blocks = image.reshape(height // 2, 2, width // 2, 2, channels)
    return blocks.mean(axis=(1, 3)).astype(np.uint8)


def noisy(image: Pixels) -> Pixels:
    noise = np.random.default_rng(7).normal(0, 4, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "copied",
    [
        halved,
        noisy,
        lambda image: (image * 0.8).astype(np.uint8),
        lambda image: image.astype(np.uint16) * 257,
        lambda image: np.dstack([image, np.full(image.shape[:2], 9, np.uint8)]),
        lambda image: image.repeat(2, axis=0).repeat(2, axis=1),
    ],
    ids=["half", "noise", "darker", "16 bit", "with alpha", "double"],
)
def test_a_copy_looks_the_same(copied: object) -> None:
    originals = [photo(seed) for seed in range(12)]
    before = looks(grey_thumbnails(originals))
    after = looks(grey_thumbnails([copied(image) for image in originals]))  # type: ignore[operator]
    assert hamming(before.hashes, after.hashes).max() <= 4
    assert likeness(before.outlines, after.outlines).min() >= 0.99


def test_others_do_not_look_the_same() -> None:
    found = looks(grey_thumbnails([photo(seed) for seed in range(40)]))
    one, other = np.triu_indices(40, 1)
    near = hamming(found.hashes[one], found.hashes[other]) <= 4
    alike = likeness(found.outlines[one], found.outlines[other]) >= 0.99
    assert not (near & alike).any()


def test_the_batch_does_not_matter() -> None:
    images = [photo(seed, side) for seed, side in enumerate((64, 40, 32, 20, 64, 7, 1))]
    together = looks(grey_thumbnails(images))
    for place, image in enumerate(images):
        alone = looks(grey_thumbnails([image]))
        assert alone.hashes[0] == together.hashes[place]
        assert (alone.outlines[0] == together.outlines[place]).all()


def test_the_hash_is_the_one_that_is_cited() -> None:
    """Against the definition of the DCT-II, frequency by frequency."""
    grey = grey_thumbnails([photo(3)])
    found = int(looks(grey).hashes[0])
    values = []
    for down in range(1, 9):
        for across in range(1, 9):
            cos_down = [math.cos(math.pi * (2 * y + 1) * down / 64) for y in range(SIDE)]
            cos_across = [math.cos(math.pi * (2 * x + 1) * across / 64) for x in range(SIDE)]
            values.append(float(np.array(cos_down) @ grey[0].astype(float) @ np.array(cos_across)))
    middle = sorted(values)[31] / 2 + sorted(values)[32] / 2
    bits = "".join("1" if value > middle else "0" for value in values)
    assert found == int(bits, 2)


def test_thumbnails_keep_what_is_grey_and_small() -> None:
    ramp = (np.arange(SIDE * SIDE) % 256).astype(np.uint8).reshape(SIDE, SIDE, 1)
    assert (grey_thumbnails([ramp])[0] == ramp[:, :, 0]).all()
    for height, width in ((1, 1), (3, 90), (500, 2), (28, 28)):
        flat = np.full((height, width, 1), 77, np.uint8)
        assert (grey_thumbnails([flat]) == 77).all(), "weights sum up to one"
    red = np.zeros((8, 8, 3), np.uint8)
    red[:, :, 0] = 200
    assert (grey_thumbnails([red]) == 60).all()


def test_a_flat_image_looks_like_nothing() -> None:
    flat = np.full((9, 9, 1), 50, np.uint8)
    almost = flat.copy()
    almost[4, 4] = 53
    found = looks(grey_thumbnails([flat, almost, photo(1)]))
    assert found.hashes[:2].tolist() == [0, 0]
    assert not found.outlines[:2].any()
    assert found.outlines[2].any()
    assert found.outlines.shape == (3, OUTLINE_BYTES)
    assert likeness(found.outlines[:1], found.outlines[:1]).tolist() == [0.0]
    assert len(looks(grey_thumbnails([])).hashes) == 0
