"""Two versions on the same rows: which of them has more right, and whether that may be chance.

McNemar's test (Psychometrika 12, 1947): only rows that one version has right and the other wrong
tell the versions apart. With few of them the binomial distribution is exact; with more, the
chi-square distribution with Edwards' continuity correction (Psychometrika 13, 1948) is close.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

EXACT_BELOW = 25
"""Discordant rows below which the exact binomial test is used; the usual bound."""

SIGNIFICANT = 0.05
"""Two-sided p-value below which a difference counts as significant."""


@dataclass(frozen=True)
class Comparison:
    """A version and the one that serves, row by row on the same slice.

    Args:
        serving: Number of the version that serves.
        both_right: Rows that both have right.
        only_right: Rows that only the version has right.
        only_serving_right: Rows that only the serving version has right.
        both_wrong: Rows that both have wrong. An image that a version cannot prepare is wrong.

    Example:
        >>> found = Comparison(1, both_right=80, only_right=12, only_serving_right=2, both_wrong=6)
        >>> found.difference, round(found.p_value, 4)
        (10, 0.0129)
    """

    serving: int
    both_right: int
    only_right: int
    only_serving_right: int
    both_wrong: int

    @property
    def rows(self) -> int:
        """Rows compared."""
        return self.both_right + self.only_right + self.only_serving_right + self.both_wrong

    @property
    def wrong(self) -> int:
        """Rows that the version has wrong."""
        return self.only_serving_right + self.both_wrong

    @property
    def serving_wrong(self) -> int:
        """Rows that the serving version has wrong."""
        return self.only_right + self.both_wrong

    @property
    def difference(self) -> int:
        """Rows more that the version has right than the serving one; negative: fewer."""
        return self.only_right - self.only_serving_right

    @property
    def exact(self) -> bool:
        """Whether the p-value is exact."""
        return self.only_right + self.only_serving_right < EXACT_BELOW

    @property
    def p_value(self) -> float:
        """Two-sided p-value of McNemar's test, 0..1: how probable such a difference is by chance."""
        discordant = self.only_right + self.only_serving_right
        if not discordant:
            return 1.0
        fewer = min(self.only_right, self.only_serving_right)
        if self.exact:
            tail = sum(math.comb(discordant, k) for k in range(fewer + 1)) / 2**discordant
            return float(min(1.0, 2 * tail))
        corrected = max(0, abs(self.difference) - 1)
        return math.erfc(math.sqrt(corrected**2 / discordant / 2))

    @property
    def better(self) -> bool:
        """Whether the version has more rows right, and significantly so."""
        return self.difference > 0 and self.p_value < SIGNIFICANT
