"""Softmax regression: one linear layer on the pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelmill.learning.families.layers import build_classifier
from labelmill.learning.runtime import keras


def softmax(
    input_shape: tuple[int, int, int], classes: int, parameters: Mapping[str, object]
) -> Any:
    """Builds the model.

    Args:
        input_shape: ``(H, W, C)``.
        classes: Number of classes.
        parameters: ``l2``, ``seed``.
    """
    k = keras()
    images = k.Input(input_shape, name="images")
    return build_classifier(
        images, k.layers.Flatten(name="flatten")(images), classes, 0, parameters
    )
