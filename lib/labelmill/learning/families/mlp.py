"""Multi-layer perceptron: the reference network of the field's earlier system.

On 28×28 images and ten classes it is 784-500-100-10 with ReLU, Xavier's initial weights, SGD with
Nesterov momentum 0.98 and an L2 penalty of learning rate × 0.005.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelmill.learning.families.layers import build_classifier, dense, number, seed_of
from labelmill.learning.runtime import keras


def mlp(input_shape: tuple[int, int, int], classes: int, parameters: Mapping[str, object]) -> Any:
    """Builds the model.

    Args:
        input_shape: ``(H, W, C)``.
        classes: Number of classes.
        parameters: ``hidden`` (neurons of each layer), ``dropout``, ``l2``, ``seed``.
    """
    k = keras()
    images = k.Input(input_shape, name="images")
    last = k.layers.Flatten(name="flatten")(images)
    hidden = parameters["hidden"]
    assert isinstance(hidden, list)
    dropout = number(parameters, "dropout")
    for position, neurons in enumerate(hidden, 1):
        last = dense(neurons, f"hidden_{position}", position, parameters, activation="relu")(last)
        if dropout:
            seed = seed_of(parameters, 500 + position)
            last = k.layers.Dropout(dropout, seed=seed, name=f"dropout_{position}")(last)
    return build_classifier(images, last, classes, len(hidden) + 1, parameters)
