from __future__ import annotations

import math

import numpy as np
import pytest

from labelmill.domain.models.decisions import decide, entropy
from labelmill.errors import InputError


def test_entropy_in_nats() -> None:
    rows = np.array([[1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]], np.float32)
    np.testing.assert_allclose(entropy(rows), [0, math.log(4), math.log(2)], atol=1e-7)
    assert entropy(np.zeros((0, 4))).shape == (0,)


@pytest.mark.parametrize(
    ("probability", "threshold", "decision"),
    [
        (0.9, 0.8, "accepted"),
        (0.8, 0.8, "accepted"),
        (0.79, 0.8, "review"),
        (0.0, 0.0, "accepted"),
        (math.nan, 0.0, "review"),
    ],
)
def test_decision(probability: float, threshold: float, decision: str) -> None:
    assert decide(probability, threshold) == decision
    assert list(decide(np.array([probability, probability]), threshold)) == [decision, decision]


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan])
def test_a_threshold_that_is_no_probability(threshold: float) -> None:
    with pytest.raises(InputError, match="threshold of 0 to 1"):
        decide(0.5, threshold)
