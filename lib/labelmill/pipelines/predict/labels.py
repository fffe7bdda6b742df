"""How a label is decided: the columns of ``labels`` that follow from a prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from labelmill.domain.models.decisions import decide, entropy
from labelmill.errors import ImageError, InputError
from labelmill.inference.predictor import Predictor
from labelmill.store.schema.tables import CELL_BYTES

if TYPE_CHECKING:
    from pyspark import Broadcast


def broadcast_bytes(broadcast: Broadcast[bytes]) -> bytes:
    """The broadcast's bytes; a function, so that ``functools.partial`` of it can be pickled."""
    return broadcast.value


def storable(answer: dict[str, Any]) -> dict[str, Any]:
    """The columns as a row of ``labels`` holds them: without probabilities that no cell takes.

    Class, probability and entropy, which decide, are there whatever the number of classes.
    """
    if len(answer["probabilities"]) <= CELL_BYTES:
        return answer
    return {**answer, "probabilities": b""}


def label_columns(
    predictor: Predictor, images: list[np.ndarray], threshold: float
) -> list[dict[str, Any] | InputError | ImageError]:
    """The columns of ``labels`` that the model decides, one dict per image.

    Args:
        predictor: Of the version.
        images: Arrays (H, W, C), uint8 or uint16; shapes may differ.
        threshold: Lowest probability that is accepted, 0..1.

    Returns:
        Per image its columns, or why the model's preparation does not accept it.
    """
    answers, refused = predictor.predict_each(images)
    probabilities = np.asarray(answers, "<f4")
    best = probabilities.argmax(axis=1)
    top = probabilities[np.arange(len(images)), best]
    uncertain = entropy(probabilities)
    decisions = decide(top, threshold)
    return [
        refused[place]
        if place in refused
        else {
            "class": predictor.classes[best[place]],
            "probability": float(top[place]),
            "probabilities": probabilities[place].tobytes(),
            "entropy": float(uncertain[place]),
            "decision": str(decisions[place]),
        }
        for place in range(len(images))
    ]
