"""Quantiles and robust scales, against numpy on the values themselves."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from labelmill.domain.profiles.quantiles import Spread, bars, centre, spread


@pytest.mark.parametrize("count", [1, 2, 3, 20, 101, 1000])
def test_quantiles(count: int) -> None:
    values = np.random.default_rng(count).integers(-50, 200, count)
    found = spread(Counter(values.tolist()), 0.5)
    expected = np.quantile(values, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1], method="inverted_cdf")
    got = [found.least, found.q05, found.q25, found.median, found.q75, found.q95, found.most]
    assert got == (expected / 2).tolist()
    assert found.mean == pytest.approx(values.mean() / 2, abs=1e-6)


def test_centre() -> None:
    values = np.random.default_rng(0).normal(100, 20, 999).astype(int)
    found = centre(Counter(values.tolist()))
    middle = np.median(values)
    assert found.median == middle
    assert found.scale == pytest.approx(1.4826 * np.median(np.abs(values - middle)))
    assert found.scale == pytest.approx(20, rel=0.1), "as the standard deviation of a normal one"


def test_one_that_differs_from_all_the_others_is_far() -> None:
    found = centre({28: 999, 64: 1})
    assert found.median == 28
    assert (64 - found.median) / found.scale > 100
    assert centre({28: 10}).scale == 0


def test_nothing() -> None:
    assert spread({}) == Spread()
    assert centre({}).scale == 0


def test_bars_hold_everything() -> None:
    assert bars({0: 1, 49: 2, 50: 4, 999: 8, 1000: 16}, 50, 20) == [3, 4, *[0] * 17, 24]
