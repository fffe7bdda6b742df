"""How a label is decided: the columns of ``labels`` that follow from a prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from labelmill.domain.models.decisions import decide, entropy
from labelmill.errors import InputError, LabelmillError
from labelmill.inference.predictor import Predictor

if TYPE_CHECKING:
    from pyspark import Broadcast


def broadcast_bytes(broadcast: Broadcast[bytes]) -> bytes:
    """The broadcast's bytes; a function, so that ``functools.partial`` of it can be pickled."""
    return broadcast.value


def label_columns(
    predictor: Predictor, images: list[np.ndarray], threshold: float
) -> list[dict[str, Any]]:
    """The columns of ``labels`` that the model decides, one dict per image.

    Args:
        predictor: Of the version.
        images: Arrays (H, W, C), uint8 or uint16.
        threshold: Lowest probability that is accepted, 0..1.

    Raises:
        InputError: The model's preparation does not accept these images.
    """
    try:
        probabilities = np.asarray(predictor.predict(images), "<f4")
    except ValueError as error:
        if isinstance(error, LabelmillError):
            raise
        raise InputError(f"the model does not accept images {images[0].shape}: {error}") from error
    best = probabilities.argmax(axis=1)
    top = probabilities[np.arange(len(images)), best]
    return [
        {
            "class": predictor.classes[index],
            "probability": float(p),
            "probabilities": row.tobytes(),
            "entropy": float(h),
            "decision": str(decision),
        }
        for index, p, row, h, decision in zip(
            best, top, probabilities, entropy(probabilities), decide(top, threshold), strict=True
        )
    ]
