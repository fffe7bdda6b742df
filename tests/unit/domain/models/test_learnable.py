"""What a training set must hold before any trial runs."""

from __future__ import annotations

import numpy as np
import pytest

from labelmill.domain.models.learnable import (
    black_note,
    require_classes,
    require_images_of_one_class,
    unseen_note,
)
from labelmill.errors import InputError


@pytest.mark.parametrize(
    ("kind", "target"),
    [("images", "mask"), ("images", "classes"), ("images", "none"), ("records", "class")],
)
def test_other_rows_are_refused(kind: str, target: str) -> None:
    with pytest.raises(InputError, match=f"holds {kind} with target '{target}'"):
        require_images_of_one_class("x", kind, target)
    require_images_of_one_class("x", "images", "class")


def test_two_classes_must_have_training_images() -> None:
    require_classes("x", {"train": {"a": 1, "b": 1}})
    for train in ({"a": 5}, {"a": 5, "b": 0}, {}):
        with pytest.raises(InputError, match="with training images"):
            require_classes("x", {"train": train, "test": {"a": 1, "b": 1}})


def test_many_unseen_classes_are_counted() -> None:
    held = {f"c{n}": 2 for n in range(10_000)}
    note = unseen_note({"train": {"a": 1}, "validation": {"c0": 1}, "test": held})
    assert note is not None
    assert "c0 (1 in validation, 2 in test)" in note
    assert "and 9,995 more" in note
    assert len(note) < 300
    assert unseen_note({"train": {"a": 1}, "test": {"a": 1}}) is None


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_shapes_that_only_alpha_has_are_told(channels: int, dtype: type) -> None:
    inks = np.zeros((3, 4, 5, channels), dtype)
    for number, ink in enumerate(inks):
        ink[number, :, -1] = 200
    inks[:, 3, :, 0] = 9  # a colour that nobody sees
    assert "all 3 images are black where they show" in str(black_note(inks))
    assert black_note(inks[:1]) is None
    inks[2, 2, 2, 0] = 1
    assert black_note(inks) is None
    assert black_note(np.zeros((3, 4, 5, channels - 1), dtype)) is None
    assert black_note([]) is None
