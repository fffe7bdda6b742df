"""From probabilities to labels: how sure, and sure enough."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from labelmill.errors import InputError

Decision = Literal["accepted", "review"]
ACCEPTED: Decision = "accepted"
REVIEW: Decision = "review"

DEFAULT_BOUND = 0.5
"""Least probability accepted without review, where no other is given: offline and in streams."""


def entropy(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Shannon entropy of each row, in nats: 0 for a sure answer, ``ln K`` for an even one.

    Args:
        probabilities: ``(N, K)``, each row with sum 1.

    Returns:
        ``(N,)`` float64.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    logs = np.log(p, out=np.zeros_like(p), where=p > 0)
    return np.asarray(np.maximum(0.0, -(p * logs).sum(axis=-1)))


@overload
def decide(probability: float, bound: float) -> Decision: ...


@overload
def decide(probability: npt.NDArray[np.floating], bound: float) -> npt.NDArray[np.str_]: ...


def decide(
    probability: float | npt.NDArray[np.floating], bound: float
) -> Decision | npt.NDArray[np.str_]:
    """Whether a label stands by itself or a person should look.

    Args:
        probability: Of the label's class, 0..1; one number or ``(N,)``.
        bound: Least probability that is accepted, 0..1.

    Returns:
        ``accepted`` at the bound or above, else ``review`` (not-a-number too); same shape as received.

    Raises:
        InputError: The bound is not within 0..1.
    """
    if not 0 <= bound <= 1:
        raise InputError(f"expected a confidence bound of 0 to 1, received {bound}")
    if isinstance(probability, np.ndarray):
        return np.where(probability >= bound, ACCEPTED, REVIEW)
    return ACCEPTED if probability >= bound else REVIEW
