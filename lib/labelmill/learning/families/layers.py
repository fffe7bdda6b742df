"""Layers that families share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelmill.learning.runtime import keras


def number(parameters: Mapping[str, object], name: str) -> float:
    """A learning parameter that is a number."""
    value = parameters[name]
    assert isinstance(value, (int, float))
    return value


def seed_of(parameters: Mapping[str, object], position: int) -> int:
    """A seed for the layer at ``position``: layers of equal shape must not start with equal weights."""
    return (int(number(parameters, "seed")) * 1009 + position) % (1 << 31)


def dense(
    neurons: int,
    name: str,
    position: int,
    parameters: Mapping[str, object],
    activation: str | None = None,
) -> Any:
    """A fully connected layer: Glorot's (Xavier's) uniform initial weights, L2 penalty on them.

    X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010, equation 16.
    """
    k = keras()
    l2 = number(parameters, "l2")
    return k.layers.Dense(
        neurons,
        activation=activation,
        kernel_initializer=k.initializers.GlorotUniform(seed=seed_of(parameters, position)),
        kernel_regularizer=k.regularizers.L2(l2) if l2 else None,
        name=name,
    )


def build_classifier(
    images: Any, last: Any, classes: int, position: int, parameters: Mapping[str, object]
) -> Any:
    """Completes a model after the layer ``last`` with ``scores`` and ``probabilities``."""
    k = keras()
    scores = dense(classes, "scores", position, parameters)(last)
    return k.Model(images, k.layers.Softmax(name="probabilities")(scores), name="labelmill")
