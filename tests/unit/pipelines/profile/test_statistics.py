"""The statistics of a profile from counts, as plain functions."""

from __future__ import annotations

import base64

import numpy as np

from labelmill.domain.codecs.png.codec import decode_png
from labelmill.domain.profiles.quantiles import Spread
from labelmill.pipelines.profile.statistics import file_sizes, mean_image, time_range


def test_quantiles_of_file_sizes_stay_within_the_extremes() -> None:
    # Steps are eighths of a doubling: 80 is 1,024 bytes.
    total = {"least_bytes": 1_030, "most_bytes": 1_100, "bytes": 4_261, "images": 4}
    assert file_sizes(total, {80: 4}) == Spread(*[1_030] * 6, 1_100, 1_065.2)
    wide = {"least_bytes": 10, "most_bytes": 5_000, "bytes": 7_000, "images": 4}
    found = file_sizes(wide, {26: 1, 80: 2, 98: 1})
    assert (found.least, found.median, found.most, found.mean) == (10, 1_024, 5_000, 1_750)
    assert found.q95 == round(2 ** (98 / 8))


def test_the_time_range_is_iso_8601_in_utc() -> None:
    total = {"with_time": 3, "first_time": -1, "last_time": 1_714_564_800_000_007}
    assert time_range(total) == {
        "first": "1969-12-31T23:59:59.999999+00:00",
        "last": "2024-05-01T12:00:00.000007+00:00",
        "images": 3,
    }
    assert time_range({"with_time": 0}) is None


def test_a_mean_image_is_rounded_to_whole_grey_values() -> None:
    mean = np.linspace(0, 255, 1024)
    image = decode_png(base64.b64decode(mean_image({"a": mean}, "a")))
    assert image.shape == (32, 32, 1)
    np.testing.assert_array_equal(image.ravel(), np.floor(mean + 0.5))
    assert mean_image({"a": mean}) == ""
