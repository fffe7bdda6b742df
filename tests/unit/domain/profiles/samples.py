"""A sample profile; tests change one field at a time."""

from __future__ import annotations

from typing import Any

from labelmill.domain.profiles.profile import Attribute, Duplicates, Profile, Quantity, Shape
from labelmill.domain.profiles.quantiles import Spread


def steady(value: float) -> Spread:
    """Every image has the same."""
    return Spread(value, value, value, value, value, value, value, value)


def around(median: float, half: float = 0.02) -> Quantity:
    """A quantity of which half of the images are within ``half`` of the median."""
    low, high = median - half, median + half
    return Quantity(Spread(0, low, low, median, high, high, 1, median), [5] * 20)


def profile(**changed: Any) -> Profile:
    """1,000 images 28×28 of two classes, nothing odd."""
    fields: dict[str, Any] = {
        "collection": "digits",
        "images": 1000,
        "bytes": 300_000,
        "file_bytes": steady(300),
        "width": steady(28),
        "height": steady(28),
        "shapes": [Shape(28, 28, 1, "uint8", 1000)],
        "channels": {"1": 1000},
        "dtypes": {"uint8": 1000},
        "classes": {"a": 600, "b": 400},
        "other_classes": 0,
        "class_splits": {"a": {"train": 500, "test": 100}, "b": {"train": 300, "test": 100}},
        "without_truth": 0,
        "conflicts": 0,
        "splits": {"test": 200, "train": 800},
        "brightness": around(0.13),
        "contrast": around(0.3),
        "ink": around(0.12),
        "mean_image": "",
        "blank": 0,
        "unreadable": 0,
        "quarantined": {},
        "attributes": {"camera": Attribute(1000, {"string": 1000})},
        "source_time": None,
        "exact": Duplicates(),
        "near": Duplicates(),
        "distance": 4,
        "likeness": 0.99,
        "outliers": {},
    }
    return Profile(**fields | changed)
