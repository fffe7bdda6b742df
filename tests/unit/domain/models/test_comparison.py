"""Two versions on the same rows."""

from __future__ import annotations

import math

import pytest

from labelmill.domain.models.comparison import EXACT_BELOW, Comparison


def compared(only: int, only_serving: int) -> Comparison:
    return Comparison(1, 50, only, only_serving, 7)


def test_counts_of_either_version() -> None:
    found = Comparison(3, both_right=5, only_right=4, only_serving_right=1, both_wrong=2)
    assert (found.rows, found.wrong, found.serving_wrong, found.difference) == (12, 3, 6, 3)


@pytest.mark.parametrize(
    ("only", "only_serving", "p", "better"),
    [
        (0, 0, 1.0, False),
        (1, 0, 1.0, False),
        (5, 0, 2 / 2**5, False),
        (6, 0, 2 / 2**6, True),
        (0, 6, 2 / 2**6, False),
        (9, 1, 2 * 11 / 2**10, True),
        (12, 12, 1.0, False),
        # Agresti's example of approval ratings has 150 and 86: (|150 - 86| - 1)^2 / 236 = 16.82.
        (150, 86, math.erfc(math.sqrt(63**2 / 236 / 2)), True),
        (1000, 1000, 1.0, False),
    ],
)
def test_mcnemar(only: int, only_serving: int, p: float, better: bool) -> None:
    found = compared(only, only_serving)
    assert found.p_value == pytest.approx(p)
    assert found.better is better


def test_the_approximation_takes_over_smoothly() -> None:
    exact, close = compared(18, EXACT_BELOW - 19), compared(18, EXACT_BELOW - 18)
    assert (exact.exact, close.exact) == (True, False)
    assert exact.p_value == pytest.approx(close.p_value, abs=0.025)


def test_the_same_as_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for only, other in ((3, 9), (0, 7), (11, 12)):
        assert compared(only, other).p_value == pytest.approx(
            stats.binomtest(only, only + other).pvalue
        )
    assert compared(40, 20).p_value == pytest.approx(stats.chi2.sf(19**2 / 60, 1))
