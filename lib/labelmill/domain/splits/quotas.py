"""How many units of each class go to each split: whole numbers whose sums keep their shares.

Rounding each class by itself sends all remainders one way: of 500 classes with 5 units, 10 per cent
each would leave validation or test without a row. So what a class does not give a split is carried over
to the next class, as seats are in an apportionment.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_SLACK = 1e-9
"""Shares such as 0.29 of 100 come out a little below their whole number."""


def quotas(sizes: npt.ArrayLike, fractions: Sequence[float]) -> npt.NDArray[np.int64]:
    """Divides the units of each class.

    Every class gets its share rounded down or up, and the sums over classes stay within one unit of
    theirs, except where classes of one unit, which go to the first split, outweigh it.

    Args:
        sizes: ``(C,)`` units of each class, in the order in which remainders are carried over.
        fractions: Shares of the splits, which sum to 1; the first split gets one unit of every class.

    Returns:
        ``(C, S)`` units; each row sums to its class's size.

    Example:
        >>> quotas([5, 5, 5, 5], (0.8, 0.1, 0.1)).tolist()
        [[4, 1, 0], [4, 0, 1], [4, 1, 0], [4, 0, 1]]
    """
    shares = [float(share) for share in fractions]
    takes_part = [number for number, share in enumerate(shares) if share > 0]
    owed = [0.0] * len(shares)
    rows = []
    for size in np.asarray(sizes, np.int64).tolist():
        exact = [size * share for share in shares]
        given = [int(amount + _SLACK) for amount in exact]
        owed = [
            debt + amount - whole for debt, amount, whole in zip(owed, exact, given, strict=True)
        ]
        left = size - sum(given)
        if left and given[0] == 0 and shares[0] > 0:
            _give(0, given, owed)
            left -= 1
        # At most one each: a class stays within one unit of its own share.
        for number in sorted(takes_part, key=lambda n: -round(owed[n], 9)):
            if left and given[number] <= exact[number] - _SLACK:
                _give(number, given, owed)
                left -= 1
        rows.append(given)
    return np.array(rows, np.int64).reshape(-1, len(shares))


def _give(number: int, given: list[int], owed: list[float]) -> None:
    given[number] += 1
    owed[number] -= 1
