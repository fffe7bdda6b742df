"""Quantiles and robust scale of a quantity, from exact counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Spread:
    """Quantiles by nearest rank; all 0 for no values.

    Args:
        least: Smallest value.
        q05: 5 % are at most this.
        q25: 25 % are.
        median: Half are.
        q75: 75 % are.
        q95: 95 % are.
        most: Largest value.
        mean: Arithmetic mean.
    """

    least: float = 0.0
    q05: float = 0.0
    q25: float = 0.0
    median: float = 0.0
    q75: float = 0.0
    q95: float = 0.0
    most: float = 0.0
    mean: float = 0.0


class Centre(NamedTuple):
    """Middle and scale of a distribution.

    Args:
        median: The middle, in steps.
        scale: Standard deviation if the distribution were normal, in steps; 0: all values equal.
    """

    median: float
    scale: float


def spread(counts: Mapping[int, int], unit: float = 1.0) -> Spread:
    """Quantiles of values that come in whole steps.

    Args:
        counts: Step → how many values.
        unit: Value of a step.
    """
    if not counts:
        return Spread()
    quantiles = [_quantile(counts, q) for q in (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)]
    mean = sum(step * n for step, n in counts.items()) / sum(counts.values())
    return Spread(*(round(value * unit, 6) for value in (*quantiles, mean)))


def centre(counts: Mapping[int, int]) -> Centre:
    """Median and robust scale.

    The scale is 1.4826 × the median absolute deviation; where that is 0, because more than half of
    the values are the same, 1.2533 × the mean absolute deviation (B. Iglewicz, D. Hoaglin, "How to
    Detect and Handle Outliers", 1993).

    Args:
        counts: Step → how many values.
    """
    if not counts:
        return Centre(0.0, 0.0)
    median = _quantile(counts, 0.5)
    away: dict[int, int] = {}
    for step, n in counts.items():
        away[abs(step - median)] = away.get(abs(step - median), 0) + n
    scale = 1.4826 * _quantile(away, 0.5)
    if scale == 0:
        scale = 1.2533 * sum(step * n for step, n in away.items()) / sum(away.values())
    return Centre(median, scale)


def bars(counts: Mapping[int, int], width: int, count: int) -> list[int]:
    """A histogram of ``count`` bars, each ``width`` steps wide; larger values count in the last bar."""
    heights = [0] * count
    for step, n in counts.items():
        heights[min(count - 1, max(0, step // width))] += n
    return heights


def _quantile(counts: Mapping[int, int], q: float) -> int:
    rank = max(1, -int(-q * sum(counts.values()) // 1))
    step = 0
    for step in sorted(counts):
        rank -= counts[step]
        if rank <= 0:
            break
    return step
