"""What a training set must hold so that a family can learn it: checked once, before any trial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy.typing as npt

from labelmill.errors import InputError

Histogram = Mapping[str, Mapping[str, int]]
"""Split → class → rows."""

_NAMED = 5


def require_images_of_one_class(name: str, kind: str, target: str) -> None:
    """Raises InputError unless rows are images with one class each.

    Args:
        name: The training set, for the message.
        kind: ``images`` or ``records``.
        target: ``class``, ``classes``, ``mask`` or ``none``.
    """
    if (kind, target) != ("images", "class"):
        raise InputError(
            f"training set {name} holds {kind} with target {target!r}; models learn and are measured on "
            "images with one class each. Freeze a query whose column `class` has one class an image; "
            "read this one with TrainingSet.tf or .numpy"
        )


def require_classes(name: str, histogram: Histogram) -> None:
    """Raises InputError unless two classes or more have training images."""
    trained = [one for one, rows in histogram.get("train", {}).items() if rows]
    if len(trained) < 2:
        what = f"one class ({trained[0]})" if trained else "no class"
        raise InputError(
            f"training set {name} has {what} with training images; a model of one class is never wrong, "
            "which proves nothing. Freeze a slice with two classes or more"
        )


def black_note(images: Iterable[npt.NDArray[Any]]) -> str | None:
    """What people are told of images that are black wherever they show; None: some are not.

    Their shapes are in the alpha channel, which `grey` lays on black.

    Args:
        images: ``(H, W, C)`` each; the first one that is not black ends the search.

    Example::

        >>> import numpy as np
        >>> ink = np.zeros((2, 2, 4), np.uint8)
        >>> ink[0, :, 3] = 255
        >>> black_note([ink, ink[::-1]]).split(":")[0]
        'all 2 images are black where they show, and their shapes are in the alpha channel'
    """
    count = 0
    for image in images:
        if image.shape[-1] not in (2, 4) or image[..., :-1][image[..., -1] > 0].any():
            return None
        count += 1
    if count < 2:
        return None
    return (
        f"all {count:,} images are black where they show, and their shapes are in the alpha channel: `grey` "
        "lays alpha on black and makes them all alike; `background: 1` before it lays it on white"
    )


def unseen_note(histogram: Histogram) -> str | None:
    """What people are told of classes that are held out and not trained on; None: there are none.

    Example::

        >>> unseen_note({"train": {"a": 4, "c": 0}, "test": {"a": 1, "c": 2}})
        'classes that are held out and never trained on: c (2 in test); no model can learn them'
    """
    trained = {one for one, rows in histogram.get("train", {}).items() if rows}
    found: dict[str, list[str]] = {}
    for split in ("validation", "test"):
        for one, rows in histogram.get(split, {}).items():
            if rows and one not in trained:
                found.setdefault(one, []).append(f"{rows:,} in {split}")
    if not found or not trained:
        return None
    shown = "; ".join(f"{one} ({', '.join(where)})" for one, where in list(found.items())[:_NAMED])
    more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    return f"classes that are held out and never trained on: {shown}{more}; no model can learn them"
