"""Outliers of record batches, as executors find them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.domain.profiles.quantiles import Centre
from labelmill.pipelines.profile.counts import STEPS
from labelmill.pipelines.profile.outliers import (
    COUNTED,
    FAR,
    FAR_ROWS,
    LISTED,
    SIMPLE,
    distance_batches,
    far_batches,
    reason_of,
)

BLACK, WHITE = bytes(1024), b"\xff" * 1024
MEANS: Any = SimpleNamespace(value={None: np.full(1024, 51.0), "a": np.zeros(1024)})
"""Stands for Spark's broadcast: grey of all images, black of class a."""


def batch(*rows: tuple[str, str | None, bytes, int]) -> pa.RecordBatch:
    """Rows of image_id, class, thumbnail and brightness in steps."""
    ids, classes, greys, steps = zip(*rows, strict=True)
    columns = {"image_id": ids, "class": classes, "grey": pa.array(greys, pa.binary())}
    others = {name: [0] * len(rows) for name in SIMPLE}
    return pa.RecordBatch.from_pydict({**columns, **others, "brightness": steps})


def test_distances_are_counted_by_the_mean_they_are_compared_with() -> None:
    rows = [("1", "a", BLACK, 0), ("2", "a", WHITE, 0), ("3", "b", WHITE, 0), ("4", None, BLACK, 0)]
    (found,) = distance_batches(iter([batch(*rows[:3]), batch(*rows[3:])]), MEANS)
    assert found.schema == COUNTED
    counts = {(row["class"], row["step"]): row["images"] for row in found.to_pylist()}
    # Class b has no mean of its own: it is compared with that of all images, 0.2 grey.
    assert counts == {("a", 0): 1, ("a", STEPS): 1, (None, 800): 1, (None, 200): 1}


def test_the_farthest_are_listed_and_all_are_counted() -> None:
    simple = dict.fromkeys(SIMPLE, Centre(0, 0)) | {"brightness": Centre(100, 10)}
    within = {None: Centre(200, 0), "a": Centre(0, 0)}
    rows = [(f"{n:02}", None, BLACK, 100 + 35 + n) for n in range(20)]
    rows += [("low", "a", BLACK, 100 - 999), ("near", None, BLACK, 134)]
    cut = [batch(*rows[:7]), batch(*rows[7:])]
    (found,) = far_batches(iter(cut), MEANS, simple, within)
    assert found.schema == FAR_ROWS
    listed = [row for row in found.to_pylist() if row["image_id"] is not None]
    assert [row["image_id"] for row in listed] == ["low"] + [f"{n}" for n in range(19, 12, -1)]
    assert len(listed) == LISTED
    assert all(abs(row["score"]) >= FAR for row in listed)
    assert (listed[0]["class"], listed[0]["step"], listed[0]["score"]) == ("a", -899, -99.9)
    # Quantities that are the same for nearly all images have no scale, hence no outliers.
    (count,) = [row for row in found.to_pylist() if row["image_id"] is None]
    assert (count["feature"], count["images"]) == ("brightness", 21)


@pytest.mark.parametrize(
    ("feature", "step", "median", "reason"),
    [
        ("brightness", 900, 130, "brightness 0.90, usual is 0.13"),
        ("area", 12_000, 9_000, "8.0 times the usual number of pixels"),
        ("area", 1_000, 9_000, "1/256 of the usual number of pixels"),
        ("shape", 1_000, 0, "2.00 wide to high, usual is 1.00"),
        ("unlike", 500, 100, "unlike the mean of class a: 0.50, usual is 0.10"),
    ],
)
def test_a_reason_says_what_is_unusual(feature: str, step: int, median: int, reason: str) -> None:
    assert reason_of(feature, step, Centre(median, 1), "a", own_mean=True) == reason


def test_a_class_without_a_mean_is_compared_with_all_images() -> None:
    for label, own_mean in (("a", False), (None, True)):
        text = reason_of("unlike", 500, Centre(100, 1), label, own_mean)
        assert text.startswith("unlike the mean of all images: ")
