"""A confusion matrix of bounded size: all classes where they are few, else the most confused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelmill.domain.models.metrics import Evaluation

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
        counts: The same as numbers, ``(K, K)`` int64.
        left_out: Classes in `OTHER`.
        pairs: Truth, predicted class and images of the most frequent confusions.
    """

    names: Sequence[str]
    cells: Sequence[Sequence[Cell]]
    counts: npt.NDArray[np.int64]
    left_out: int
    pairs: Sequence[tuple[str, str, int]]


def shown_matrix(measured: Evaluation, most: int = SHOWN) -> Matrix:
    """The part of a confusion matrix that fits a page.

    Args:
        measured: The evaluation.
        most: Classes shown; of more, the most confused and a row and column for the others.

    Example:
        >>> from labelmill.domain.models.metrics import evaluate
        >>> shown_matrix(evaluate(["cat", "dog"], ["dog", "dog"], ["cat", "dog"])).pairs
        [('cat', 'dog', 1)]
    """
    classes, (truth, predicted, counts) = measured.classes, measured.cells.T
    wrong = truth != predicted
    order = np.flatnonzero(wrong)[np.argsort(-counts[wrong], kind="stable")][:PAIRS]
    pairs = [(classes[truth[n]], classes[predicted[n]], int(counts[n])) for n in order]
    if len(classes) <= most:
        counted = measured.confusion
        return Matrix(list(classes), _cells(counted), counted, 0, pairs)
    mistakes, rows = np.zeros((2, len(classes)), np.int64)
    np.add.at(mistakes, truth[wrong], counts[wrong])
    np.add.at(mistakes, predicted[wrong], counts[wrong])
    np.add.at(rows, truth, counts)
    # Ties by size, then by order: a matrix without mistakes shows its largest classes.
    selected = np.sort(np.lexsort((np.arange(len(classes)), -rows, -mistakes))[: most - 1])
    place = np.full(len(classes), most - 1)
    place[selected] = np.arange(most - 1)
    small = np.zeros((most, most), np.int64)
    np.add.at(small, (place[truth], place[predicted]), counts)
    names = [*(classes[n] for n in selected), OTHER]
    # The last diagonal cell sums several classes, so it is neither right nor wrong.
    return Matrix(names, _cells(small, other=True), small, len(classes) - len(selected), pairs)


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
