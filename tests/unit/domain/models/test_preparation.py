from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from labelmill.domain.models.preparation import Preparation
from labelmill.errors import InputError, UnknownName

RANDOM = np.random.default_rng(11)


def noise(count: int, height: int, width: int, channels: int, dtype: type = np.uint8) -> np.ndarray:
    return RANDOM.integers(0, np.iinfo(dtype).max + 1, (count, height, width, channels), dtype)


def test_no_step_gives_the_range_0_to_1() -> None:
    prepared = Preparation.parse([]).apply(np.array([[[[0], [51], [255]]]], np.uint8))
    assert prepared.dtype == np.float32
    np.testing.assert_array_equal(prepared[0, 0, :, 0], np.array([0, 0.2, 1], np.float32))
    deep = Preparation.parse(None).apply(np.array([[[[0], [65535]]]], np.uint16))
    np.testing.assert_array_equal(deep[0, 0, :, 0], [0, 1])


def test_scale_divides_instead() -> None:
    prepared = Preparation.parse([{"scale": 16}]).apply(np.array([[[[0], [8], [16]]]], np.uint8))
    np.testing.assert_array_equal(prepared[0, 0, :, 0], [0, 0.5, 1])


def test_grey_is_pillows_luma() -> None:
    images = noise(3, 4, 5, 3)
    expected = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])
    prepared = Preparation.parse(["grey"]).apply(images)
    assert prepared.shape == (3, 4, 5, 1)
    # Pillow rounds to whole numbers
    np.testing.assert_allclose(prepared[..., 0] * 255, expected, atol=0.51)


def test_grey_lays_alpha_on_black() -> None:
    image = np.array([[[[255, 255, 255, 51], [255, 255, 255, 0], [0, 0, 0, 255]]]], np.uint8)
    prepared = Preparation.parse(["grey"]).apply(image)
    np.testing.assert_allclose(prepared[0, 0, :, 0], [0.2, 0, 0], atol=1e-6)
    two = np.array([[[[65535, 13107]]]], np.uint16)
    scaled = Preparation.parse(["grey", {"scale": 256}]).apply(two)
    assert scaled[0, 0, 0, 0] == pytest.approx(65535 / 256 * 0.2, rel=1e-5)


def test_invert_threshold_standardise_by_hand() -> None:
    image = np.array([[[[0], [102], [255]]]], np.uint8)  # 0, 0.4, 1
    for steps, expected in (
        (["invert"], [1, 0.6, 0]),
        ([{"threshold": 0.4}], [0, 1, 1]),
        ([{"threshold": 0.5}, "invert"], [1, 1, 0]),
        (["invert", {"threshold": 0.5}], [1, 1, 0]),
        ([{"standardise": [0.4, 0.2]}], [-2, 0, 3]),
    ):
        prepared = Preparation.parse(steps).apply(image)
        np.testing.assert_allclose(prepared[0, 0, :, 0], expected, atol=1e-6, err_msg=str(steps))


def test_resize_is_pillows_bilinear_channel_by_channel() -> None:
    images = noise(2, 20, 30, 3)
    prepared = Preparation.parse([{"resize": [7, 11]}]).apply(images)
    assert prepared.shape == (2, 7, 11, 3)
    expected = [
        np.asarray(Image.fromarray(i).resize((11, 7), Image.Resampling.BILINEAR)) for i in images
    ]
    np.testing.assert_allclose(prepared * 255, np.stack(expected), atol=1.01)  # Pillow rounds twice


def test_shrinking_looks_at_every_pixel() -> None:
    image = np.zeros((1, 64, 64, 1), np.uint8)
    image[0, 1::2] = 255
    prepared = Preparation.parse([{"resize": [4, 4]}]).apply(image)
    np.testing.assert_allclose(prepared, 0.5, atol=0.05)


def test_resize_to_its_own_size_changes_nothing() -> None:
    images = noise(2, 8, 8, 1)
    np.testing.assert_array_equal(
        Preparation.parse([{"resize": [8, 8]}]).apply(images), Preparation.parse([]).apply(images)
    )


EVERYTHING = Preparation.parse(["grey", {"resize": [6, 5]}, "invert", {"standardise": [0.5, 0.25]}])


def test_an_image_gets_the_same_bits_alone_and_in_any_batch() -> None:
    images = [
        *noise(5, 9, 7, 3),
        *noise(4, 9, 7, 4),
        *noise(3, 12, 30, 1),
        *noise(2, 9, 7, 1, np.uint16),
    ]
    together = EVERYTHING.apply(images)
    assert together.shape == (14, 6, 5, 1)
    for place, image in enumerate(images):
        np.testing.assert_array_equal(EVERYTHING.apply([image])[0], together[place])
    backwards = EVERYTHING.apply(images[::-1])
    np.testing.assert_array_equal(backwards[::-1], together)


def test_the_input_stays_as_it_was() -> None:
    images = noise(2, 4, 4, 3)
    before = images.copy()
    EVERYTHING.apply(images)
    np.testing.assert_array_equal(images, before)


@given(
    st.lists(
        st.sampled_from(["grey", "resize", "invert", "threshold", "standardise"]), unique=True
    ),
    st.integers(1, 4),
    st.integers(1, 9),
)
def test_the_shape_is_known_beforehand(names: list[str], channels: int, height: int) -> None:
    arguments: dict[str, object] = {"resize": [3, 4], "threshold": 0.5, "standardise": [0, 1]}
    preparation = Preparation.parse([{n: arguments[n]} if n in arguments else n for n in names])
    prepared = preparation.apply(np.zeros((2, height, 5, channels), np.uint8))
    assert prepared.shape[1:] == preparation.output_shape((height, 5, channels))
    assert Preparation.from_json(preparation.to_json()) == preparation


def test_json_is_a_list_of_steps() -> None:
    steps = ["grey", {"resize": [8, 8]}, {"scale": 16}, {"threshold": 0.5}]
    preparation = Preparation.parse(steps)
    assert json.loads(preparation.to_json()) == steps
    assert Preparation.parse(["grey"]) != Preparation.parse(["invert"])


def test_no_images() -> None:
    assert EVERYTHING.apply([]).shape == (0, 6, 5, 1)
    assert EVERYTHING.apply(np.zeros((0, 9, 9, 3), np.uint8)).shape == (0, 6, 5, 1)


def test_mixed_shapes_are_refused_with_the_mend() -> None:
    with pytest.raises(InputError, match=r"\(4, 4, 1\), \(4, 5, 1\).*resize"):
        Preparation.parse(["grey"]).apply([*noise(1, 4, 4, 1), *noise(1, 4, 5, 3)])
    with pytest.raises(InputError, match="grey"):
        Preparation.parse([]).apply([*noise(1, 4, 4, 1), *noise(1, 4, 4, 3)])


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 1), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((0, 4, 1), np.uint8),
    ],
)
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(InputError):
        Preparation.parse([]).apply([image])


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (["gray"], "Did you mean 'grey'"),
        ([{"resise": [8, 8]}], "Did you mean 'resize'"),
        ([{"standardize": [0, 1]}], "Did you mean 'standardise'"),
    ],
)
def test_a_typo_gets_the_right_name(steps: list[object], message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        Preparation.parse(steps)


@pytest.mark.parametrize(
    "steps",
    [
        "grey",
        {"grey": None},
        7,
        [7],
        [["grey"]],
        [{"grey": 1}],
        [{"grey": None, "invert": None}],
        ["resize"],
        [{"resize": 8}],
        [{"resize": [8]}],
        [{"resize": [0, 8]}],
        [{"resize": [8.0, 8]}],
        [{"resize": [True, 8]}],
        [{"resize": [100_000, 8]}],
        [{"threshold": 2}],
        [{"threshold": "0.5"}],
        [{"threshold": float("nan")}],
        [{"scale": 0}],
        [{"scale": float("inf")}],
        ["scale"],
        [{"standardise": [0, 0]}],
        [{"standardise": [0]}],
        [{"standardise": 1}],
        ["grey", "grey"],
        ["invert", {"scale": 16}],
    ],
)
def test_invalid_steps_are_refused(steps: object) -> None:
    with pytest.raises(InputError):
        Preparation.parse(steps)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "{}", "null", "[1]", '"grey"', "[", '["gray"]'])
def test_text_that_is_no_preparation(text: str) -> None:
    with pytest.raises(InputError):
        Preparation.from_json(text)


def test_images_in_parts_get_the_bits_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    shapes = [(9, 7, 1), (12, 5, 3), (9, 7, 4), (6, 6, 2)]
    images = [rng.integers(0, 256, shapes[n % 4], dtype=np.uint8) for n in range(50)]
    prepare = Preparation.parse([{"background": 0.5}, "grey", {"resize": [5, 6]}])
    expected = np.concatenate([prepare.apply([image]) for image in images])
    monkeypatch.setattr("labelmill.domain.models.preparation.PIECE_BYTES", 1000)
    assert prepare.apply(images).tobytes() == expected.tobytes()
    parts = [images[:1], images[1:30], np.stack(images[30:50:4]), images[31:32]]
    found = prepare.apply_parts(parts, 36)
    assert found[:30].tobytes() == expected[:30].tobytes()
    assert found[30:35].tobytes() == expected[30:50:4].tobytes()


def test_alpha_is_laid_on_the_background_that_is_chosen() -> None:
    ink = np.zeros((1, 1, 2, 2), np.uint8)
    ink[0, 0, 0, 1] = 255
    on = {b: Preparation.parse([{"background": b}]).apply(ink)[0, 0, :, 0].tolist() for b in (0, 1)}
    assert on == {0: [0.0, 0.0], 1: [0.0, 1.0]}
    colour = np.full((1, 1, 1, 4), 51, np.uint8)
    assert Preparation.parse([{"background": 1}]).apply(colour)[0, 0, 0] == pytest.approx(
        [0.84] * 3
    )
    raw = Preparation.parse([{"background": 1}, {"scale": 1}]).apply(ink)
    assert raw[0, 0, :, 0].tolist() == [0.0, 255.0]
    with pytest.raises(InputError, match="'background' must come before 'grey'"):
        Preparation.parse(["grey", {"background": 1}])
    assert Preparation.parse([{"background": 1}]).output_shape((2, 2, 4)) == (2, 2, 3)
