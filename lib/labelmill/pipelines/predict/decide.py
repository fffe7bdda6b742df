"""How a label is decided: the columns of `labels` that follow from a prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyspark import Broadcast

from labelmill.domain.models.decisions import decide, entropy
from labelmill.errors import InputError, LabelmillError
from labelmill.inference.predictor import Predictor


def broadcast_bytes(broadcast: Broadcast[bytes]) -> bytes:
    """What ``functools.partial`` makes an artifact's source of."""
    return broadcast.value


def label_columns(
    predictor: Predictor, images: list[np.ndarray], bound: float
) -> list[dict[str, Any]]:
    """The columns of ``labels`` that the model decides, one dict an image.

    Args:
        predictor: Of the version.
        images: Arrays (H, W, C), uint8 or uint16.
        bound: Least probability that is accepted, 0..1.

    Raises:
        InputError: The model's preparation cannot take these images.
    """
    try:
        probabilities = np.asarray(predictor.predict(images), "<f4")
    except ValueError as error:
        if isinstance(error, LabelmillError):
            raise
        raise InputError(f"the model cannot take images {images[0].shape}: {error}") from error
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
            best, top, probabilities, entropy(probabilities), decide(top, bound), strict=True
        )
    ]
