"""The part of a confusion matrix that fits a page."""

from __future__ import annotations

import numpy as np

from labelmill.domain.models.metrics import Evaluation
from labelmill.serving.shown_confusion import OTHER, SHOWN, shown_matrix


def evaluation(matrix: np.ndarray) -> Evaluation:
    classes = [str(n) for n in range(len(matrix))]
    return Evaluation.from_dict({"classes": classes, "matrix": matrix.tolist()})


def test_a_matrix_adds_up() -> None:
    rng = np.random.default_rng(0)
    confusion = rng.integers(0, 5, (300, 300))
    confusion[7, 200] = 900
    matrix = shown_matrix(evaluation(confusion))
    assert len(matrix.names) == len(matrix.cells) == SHOWN
    assert sum(cell.count for line in matrix.cells for cell in line) == confusion.sum()
    assert matrix.pairs[0] == ("7", "200", 900)
    assert {"7", "200"} <= set(matrix.names)
    assert matrix.names[-1] == OTHER
    row = matrix.names.index("7")
    assert sum(cell.count for cell in matrix.cells[row]) == confusion[7].sum()
    assert matrix.cells[row][row].right
    assert not matrix.cells[-1][-1].right, "of classes together nothing is known"


def test_a_matrix_without_mistakes_shows_the_largest_classes() -> None:
    matrix = shown_matrix(evaluation(np.diag(np.arange(100))))
    assert matrix.names[:-1] == [str(n) for n in range(81, 100)]
    assert matrix.pairs == []
