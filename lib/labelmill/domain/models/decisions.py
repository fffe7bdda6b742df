"""From probabilities to decisions: how confident, and confident enough."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from labelmill.errors import InputError

Decision = Literal["accepted", "review"]
ACCEPTED: Decision = "accepted"
REVIEW: Decision = "review"

DEFAULT_THRESHOLD = 0.5
"""Default threshold: the least probability that is accepted without review, offline and in streams."""


def entropy(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Shannon entropy of each row, in nats: 0 for a certain prediction, ``ln K`` for a uniform one.

    Args:
        probabilities: ``(N, K)``, each row with sum 1.

    Returns:
        ``(N,)`` float64.

    Example:
        >>> (entropy([[1.0, 0.0], [0.5, 0.5]]).round(4) + 0.0).tolist()
        [0.0, 0.6931]
    """
    p = np.asarray(probabilities, dtype=np.float64)
    logs = np.log(p, out=np.zeros_like(p), where=p > 0)
    return np.asarray(np.maximum(0.0, -(p * logs).sum(axis=-1)))


def check_threshold(threshold: float) -> None:
    """Checks a threshold before work starts.

    Raises:
        InputError: It is not within 0..1.
    """
    if not 0 <= threshold <= 1:
        raise InputError(f"expected a confidence threshold of 0 to 1, received {threshold}")


@overload
def decide(probability: float, threshold: float) -> Decision: ...


@overload
def decide(probability: npt.NDArray[np.floating], threshold: float) -> npt.NDArray[np.str_]: ...


def decide(
    probability: float | npt.NDArray[np.floating], threshold: float
) -> Decision | npt.NDArray[np.str_]:
    """Decides whether a label is accepted or needs review by a person.

    Args:
        probability: Of the label's class, 0..1; one number or ``(N,)``.
        threshold: Least probability that is accepted, 0..1.

    Returns:
        ``accepted`` at or above the threshold, else ``review`` (NaN too); of the shape received.

    Raises:
        InputError: The threshold is not within 0..1.

    Example:
        >>> decide(0.9, threshold=0.5)
        'accepted'
    """
    check_threshold(threshold)
    if isinstance(probability, np.ndarray):
        return np.where(probability >= threshold, ACCEPTED, REVIEW)
    return ACCEPTED if probability >= threshold else REVIEW
