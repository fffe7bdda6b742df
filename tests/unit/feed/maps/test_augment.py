"""Random maps: what they may do to images and masks, and that it repeats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from labelmill.errors import InputError
from labelmill.feed.maps.augment import brightness, crop, flip, noise, rotate90, shift
from labelmill.feed.maps.base import ArrayMap, RowArrays
from labelmill.feed.order.counter_rng import Draws

Image = np.ndarray[Any, Any]


def rows(images: Any, targets: Any = None, masks: bool = False, epoch: int = 0) -> RowArrays:
    return RowArrays(
        images, targets, masks, Draws(1, epoch, np.arange(len(images), dtype=np.uint64))
    )


def drawn(count: int = 64, height: int = 6, width: int = 6, channels: int = 1) -> Image:
    shape = (count, height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


ALL = [flip(True, True), rotate90(), shift(2, 1), crop(4, 3), brightness(), noise()]


@pytest.mark.parametrize("change", ALL, ids=str)
def test_it_repeats_in_any_company_and_differs_by_epoch(change: ArrayMap) -> None:
    images = drawn()
    whole = change(rows(images)).inputs
    assert (change(rows(images)).inputs == whole).all()
    part = rows(images).part(slice(10, 23))
    assert (change(part).inputs == whole[10:23]).all(), "whichever rows are beside it"
    listed = change(rows(list(images))).inputs
    assert (np.stack(list(listed)) == whole).all(), "also image by image"
    assert (change(rows(images, epoch=1)).inputs != whole).any()
    assert (images == drawn()).all(), "what it was given stays as it was"


@pytest.mark.parametrize("change", [flip(True, True), rotate90(), shift(2, 1), crop(4, 3)], ids=str)
@pytest.mark.parametrize("width", [6, 9])
def test_masks_go_where_their_images_go(change: ArrayMap, width: int) -> None:
    images = drawn(width=width, channels=3)
    given = rows(images, images[..., :1].copy(), masks=True)
    made = change(given)
    assert (made.targets == made.inputs[..., :1]).all()
    assert (made.inputs[0].shape != images[0].shape) or (made.inputs != images).any()
    labelled = change(replace(given, masks=False, targets=np.arange(64)))
    assert (labelled.targets == np.arange(64)).all()


@pytest.mark.parametrize("change", [brightness(), noise()], ids=str)
def test_values_of_masks_stay(change: ArrayMap) -> None:
    images = drawn()
    made = change(rows(images, images.copy(), masks=True))
    assert (made.targets == images).all()
    assert (made.inputs != images).any()


def test_a_flip_mirrors_about_as_many_as_its_chance() -> None:
    images = drawn(1000)
    made = flip(chance=0.25)(rows(images)).inputs
    mirrored = (made == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (mirrored | (made == images).all(axis=(1, 2, 3))).all()
    assert 200 < mirrored.sum() < 300


def test_quarters_are_all_there_and_oblong_images_keep_their_shape() -> None:
    images = drawn(400)
    made = rotate90()(rows(images)).inputs
    for turns in range(4):
        turned = np.rot90(images, turns, (1, 2))
        assert 60 < (made == turned).all(axis=(1, 2, 3)).sum() < 140
    oblong = drawn(40, width=9)
    made = rotate90()(rows(oblong)).inputs
    same, half = (made == oblong), (made == np.rot90(oblong, 2, (1, 2)))
    assert (same.all(axis=(1, 2, 3)) | half.all(axis=(1, 2, 3))).all()


def test_a_shift_moves_within_its_bounds_and_fills() -> None:
    images = np.zeros((200, 7, 7, 1), np.uint8)
    images[:, 3, 3] = 9
    made = shift(2, 1, fill=5)(rows(images)).inputs
    positions = {tuple(np.argwhere(image[..., 0] == 9)[0]) for image in made}
    assert positions == {(y, x) for y in range(1, 6) for x in range(2, 5)}
    moved = next(image for image in made if image[1, 3, 0] == 9)
    assert (moved[5:] == 5).all()
    masks = shift(2, 1, fill=5)(rows(images, images.copy(), masks=True)).targets
    assert set(np.unique(masks)) == {0, 9}


def test_a_crop_makes_mixed_shapes_one() -> None:
    mixed = [*drawn(3, 5, 9), *drawn(3, 8, 4)]
    made = crop(4, 4)(rows(mixed)).inputs
    assert made.shape == (6, 4, 4, 1)
    with pytest.raises(InputError, match=r"crop\(6, 4\) of an image of 5×9; expected"):
        crop(6, 4)(rows(mixed))


def test_whole_numbers_stay_in_their_range_and_floats_are_not_cut_off() -> None:
    ends = np.stack([np.zeros((4, 4, 1), np.uint8), np.full((4, 4, 1), 255, np.uint8)] * 50)
    for change in (brightness(0.5), noise(0.3)):
        made = change(rows(ends)).inputs
        assert made.dtype == np.uint8
        assert made[::2].max() <= 255 * 0.5 + 255 * 0.8
        assert made[1::2].max() == 255
        assert made[::2].min() == 0
        floats = change(rows(np.ones((100, 4, 4, 1), np.float32))).inputs
        assert floats.dtype == np.float32
        assert floats.max() > 1
    shifted = brightness(0.5)(rows(np.zeros((2000, 1, 1, 1), np.float32))).inputs
    assert -0.5 <= shifted.min() < -0.45
    assert 0.45 < shifted.max() <= 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: flip(False, False), "flip without a direction"),
        (lambda: flip(chance=2), "flip: chance 2; expected 0 to 1"),
        (lambda: shift(-1, 0), r"shift\(-1, 0\); expected"),
        (lambda: crop(0, 3), r"crop\(0, 3\); expected"),
        (lambda: noise(-0.1), "noise: deviation -0.1"),
    ],
)
def test_invalid_arguments(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
    with pytest.raises(InputError, match="'flip' is for images; these rows are records"):
        flip()(RowArrays({"age": np.zeros(2)}, None, False, Draws(0, 0, np.zeros(2, np.uint64))))
