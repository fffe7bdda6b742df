"""What counts as a deviation, its severity and its message: a table of cases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from labelmill.domain.profiles.deviations import deviations
from labelmill.domain.profiles.profile import Attribute, Duplicates, Profile
from labelmill.domain.profiles.schema import Schema, infer
from tests.unit.domain.profiles.samples import around, profile, steady

WIDE = replace(steady(28), least=28, most=64)


@pytest.mark.parametrize(
    ("changed", "severity", "sentence"),
    [
        ({"classes": {"a": 600, "b": 390, "c": 10}}, "error",
         "new classes: received 'c' in 10 of 1,000 images with a class, expected only 'a', 'b'"),
        ({"classes": {"a": 600, "b": 400}, "other_classes": 7}, "error",
         "received none and 7 rarer classes"),
        ({"classes": {"a": 800, "b": 200}}, "error",
         "moved by up to 20.0 points, above 5.0 and chance: a: received 80.0 %, expected 60.0 %; b: "),
        ({"classes": {"a": 700, "b": 300}}, "warning", "moved by up to 10.0 points"),
        ({"channels": {"1": 990, "3": 10}}, "error",
         "channels: received '3' in 10 of 1,000 images (1.0 %), expected 1"),
        ({"dtypes": {"uint16": 1000}}, "error",
         "dtypes: received 'uint16' in 1,000 of 1,000 images (100.0 %), expected uint8"),
        ({"width": WIDE}, "error", "width: received 28 to 64 pixels (median 28), expected 28"),
        ({"brightness": around(0.87)}, "error",
         "brightness (mean pixel): received a median of 0.870, expected 0.130 ± 0.050"),
        ({"contrast": around(0.4)}, "warning", "contrast (standard deviation of pixels)"),
        ({"without_truth": 100, "classes": {"a": 540, "b": 360}}, "warning",
         "images without a class: received 100 (10.0 % of 1,000 images), expected at most 5.0 %"),
        ({"without_truth": 500, "classes": {"a": 300, "b": 200}}, "error", "received 500 (50.0 %"),
        ({"exact": Duplicates(20, 40)}, "warning", "with the pixels of another one: received 40"),
        ({"near": Duplicates(100, 300)}, "error", "look like another one: received 300"),
        ({"exact": Duplicates(1, 2, 0, {"test in train": 1})}, "error",
         "a split they must not be in: received 1 (0.1 % of 1,000 images), expected at most 0 %"),
        ({"near": Duplicates(9, 20, 0, {"test in train": 1})}, None, ""),
        ({"near": Duplicates(9, 20, 0, {"test in train": 12})}, "warning",
         "look like one in a split they must not be in: received 12 (1.2 % of 1,000 images)"),
        ({"blank": 20}, "warning", "blank images: received 20"),
        ({"unreadable": 1}, "error", "cannot be read: received 1"),
        ({"quarantined": {"not_png": 30}}, "warning", "quarantined files: received 30"),
        ({"splits": {"train": 1000}}, "warning",
         "splits: received 'train', expected also 'test'"),
        ({"splits": {"train": 700, "test": 200, "validation": 100}}, "note",
         "splits: received 'validation', expected 'test', 'train'"),
        ({"splits": {"train": 700, "test": 200, "none": 100}}, None, ""),
        ({"attributes": {}}, "warning",
         "attribute 'camera': received in 0 % of the images, expected in 100.0 %"),
        ({"attributes": {"camera": Attribute(1000, {"number": 1000})}}, "warning",
         "attribute 'camera': received values of type 'number', expected string"),
        ({"attributes": {"camera": Attribute(1000, {"string": 1000}), "x": Attribute(1, {"null": 1})}},
         "note", "new attributes: received 'x', expected 'camera'"),
        ({"images": 300, "classes": {"a": 180, "b": 120}, "channels": {"1": 300},
          "dtypes": {"uint8": 300}, "attributes": {"camera": Attribute(300, {"string": 300})}},
         "note", "fewer images: received 300, expected about 1,000"),
        ({"classes": {"a": 590, "b": 410}, "brightness": around(0.16), "exact": Duplicates(4, 9)},
         None, ""),
    ],
)  # fmt: skip
def test_one_thing_changed(changed: dict[str, Any], severity: str | None, sentence: str) -> None:
    found = deviations(profile(**changed), infer(profile()))
    if severity is None:
        assert found == []
        return
    (one,) = found
    assert sentence in one.sentence
    assert one.severity == severity


def test_a_missing_class() -> None:
    (missing, shift) = deviations(profile(classes={"a": 1000}), infer(profile()))
    assert (missing.severity, shift.about) == ("error", "class_shift")
    assert "received no image of 'b' among 1,000, expected 'b' 40.0 %" in missing.sentence


def test_a_rare_class_may_miss_by_chance() -> None:
    expected = infer(profile(classes={"a": 599, "b": 399, "rare": 2}))
    (missing,) = deviations(profile(), expected)
    assert missing.severity == "warning"


def test_few_images_vary_by_chance() -> None:
    few: dict[str, Any] = {
        "images": 20,
        "channels": {"1": 20},
        "dtypes": {"uint8": 20},
        "attributes": {"camera": Attribute(20, {"string": 20})},
    }
    assert _about(profile(classes={"a": 15, "b": 5}, **few), infer(profile())) == ["images"]
    assert "class_shift" in _about(profile(classes={"a": 1, "b": 19}, **few), infer(profile()))


def test_sizes_that_may_vary_only_warn_until_most_are_beyond() -> None:
    varied = replace(steady(100), least=50, most=200)
    schema = infer(profile(width=varied))
    (little,) = deviations(profile(width=replace(varied, most=400)), schema)
    assert (little.severity, little.about) == ("warning", "width")
    assert "expected 40 to 250" in little.sentence
    (all_,) = deviations(profile(width=steady(400)), schema)
    assert all_.severity == "error"


def test_the_worst_comes_first_and_lists_stay_short() -> None:
    many = {f"k{n:02}": 10 for n in range(50)}
    found = deviations(profile(classes={**many, "a": 300, "b": 200}, blank=20), infer(profile()))
    assert [d.severity for d in found] == ["error", "error", "warning"]
    assert "'k00', 'k01', 'k02', 'k03', 'k04' and 45 more" in found[0].sentence


def _about(received: Profile, schema: Schema) -> list[str]:
    return [d.about for d in deviations(received, schema)]
