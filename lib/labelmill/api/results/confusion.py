"""A confusion matrix of bounded size: all classes where they are few, else the most confused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SHOWN = 20
"""Classes of a matrix that people can read."""

PAIRS = 15
"""Confusions listed, the most frequent first."""

OTHER = "other classes"


@dataclass(frozen=True)
class Cell:
    """One count; ``shade`` is its share of the row, 0..1."""

    count: int
    shade: float
    right: bool


@dataclass(frozen=True)
class Matrix:
    """What is shown.

    Attributes:
        names: Of rows and columns; the last is `OTHER` where classes were left out.
        cells: Rows are the truth, columns the predicted class.
        left_out: Classes in `OTHER`.
        pairs: Truth, predicted class and images of the most frequent confusions.
    """

    names: Sequence[str]
    cells: Sequence[Sequence[Cell]]
    left_out: int
    pairs: Sequence[tuple[str, str, int]]


def shown_matrix(confusion: npt.NDArray[np.int64], classes: Sequence[str]) -> Matrix:
    """The part of a confusion matrix that fits a page.

    Args:
        confusion: ``(K, K)`` counts, ``[truth][predicted]``.
        classes: ``K`` names.

    Example:
        >>> shown_matrix(np.array([[9, 1], [0, 5]]), ["cat", "dog"]).pairs
        [('cat', 'dog', 1)]
    """
    truth, predicted = np.nonzero(confusion)
    wrong = truth != predicted
    truth, predicted = truth[wrong], predicted[wrong]
    counts = confusion[truth, predicted]
    order = np.argsort(-counts, kind="stable")[:PAIRS]
    pairs = [(classes[truth[n]], classes[predicted[n]], int(counts[n])) for n in order]
    if len(classes) <= SHOWN:
        return Matrix(list(classes), _cells(confusion), 0, pairs)
    mistakes = np.zeros(len(classes), np.int64)
    np.add.at(mistakes, truth, counts)
    np.add.at(mistakes, predicted, counts)
    # Ties by size, then by order: a matrix without mistakes shows its largest classes.
    rows = confusion.sum(axis=1)
    selected = np.sort(np.lexsort((np.arange(len(classes)), -rows, -mistakes))[: SHOWN - 1])
    small = np.zeros((SHOWN, SHOWN), np.int64)
    small[:-1, :-1] = confusion[np.ix_(selected, selected)]
    small[:-1, -1] = rows[selected] - small[:-1, :-1].sum(axis=1)
    small[-1, :-1] = confusion.sum(axis=0)[selected] - small[:-1, :-1].sum(axis=0)
    small[-1, -1] = confusion.sum() - small.sum()
    names = [*(classes[n] for n in selected), OTHER]
    # The last diagonal cell sums several classes, so it is neither right nor wrong.
    return Matrix(names, _cells(small, other=True), len(classes) - len(selected), pairs)


def _cells(counts: npt.NDArray[np.int64], other: bool = False) -> list[list[Cell]]:
    totals = np.maximum(counts.sum(axis=1), 1)
    return [
        [
            Cell(
                int(count),
                round(float(count / totals[row]), 3),
                row == column and not (other and row == len(counts) - 1),
            )
            for column, count in enumerate(line)
        ]
        for row, line in enumerate(counts)
    ]
