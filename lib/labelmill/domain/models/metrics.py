"""One model version measured on one slice: accuracy, precision, recall, F1, confusion matrix.

The matrix is kept as its cells that are not 0: of 10,000 classes, 100 million cells are nearly all 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from labelmill.errors import InputError, UnknownName


@dataclass(frozen=True)
class ClassScore:
    """Precision, recall and F1 of one class.

    Args:
        name: The class.
        precision: Share of its predictions that are right, 0..1; 0 when it was never predicted.
        recall: Share of its images that were predicted, 0..1; 0 when there are none.
        f1: Harmonic mean of both; 0 when both are 0.
        support: Images of this class.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int

    def to_dict(self) -> dict[str, object]:
        """As a row of a report; the name is under ``class``."""
        return {
            "class": self.name,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "support": self.support,
        }


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one version. Macro means cover the classes that occur, as truth or as prediction.

    Args:
        classes: The model's classes in its order, then truths it does not know, sorted.
        known: The model's classes; the rest of ``classes`` it does not know.
        cells: ``(M, 3)`` int64: truth and prediction as positions in ``classes``, and images, at
            least 1; sorted.
        unprepared: Images that the version could not prepare; they are in no other figure.
    """

    classes: tuple[str, ...]
    known: int
    cells: npt.NDArray[np.int64]
    unprepared: int = 0

    @cached_property
    def rows(self) -> int:
        """Images measured."""
        return int(self.cells[:, 2].sum())

    @cached_property
    def right(self) -> int:
        """Images whose prediction is right."""
        return int(self._right.sum())

    @property
    def accuracy(self) -> float:
        """Share of right predictions, 0..1; 0 for no rows."""
        return self.right / self.rows if self.rows else 0.0

    @property
    def error(self) -> float:
        """1 − accuracy."""
        return 1.0 - self.accuracy

    @property
    def precision_macro(self) -> float:
        """Unweighted mean over classes, 0..1."""
        return self._mean(_share(self._right, self._given))

    @property
    def recall_macro(self) -> float:
        """Unweighted mean over classes, 0..1."""
        return self._mean(_share(self._right, self._support))

    @property
    def f1_macro(self) -> float:
        """Unweighted mean over classes, 0..1."""
        return self._mean(_share(2 * self._right, self._support + self._given))

    @cached_property
    def per_class(self) -> list[ClassScore]:
        """One score per class, in the order of ``classes``."""
        precision, recall = _share(self._right, self._given), _share(self._right, self._support)
        f1 = _share(2 * self._right, self._support + self._given)
        return [
            ClassScore(name, float(precision[i]), float(recall[i]), float(f1[i]), int(support))
            for i, (name, support) in enumerate(zip(self.classes, self._support, strict=True))
        ]

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """``(K, K)`` int64, ``[truth][predicted]``; made anew each time, 8 · K² bytes."""
        dense = np.zeros((len(self.classes), len(self.classes)), np.int64)
        dense[self.cells[:, 0], self.cells[:, 1]] = self.cells[:, 2]
        return dense

    def to_dict(self) -> dict[str, object]:
        """The confusion matrix for JSON; `from_dict` turns it back into an equal evaluation."""
        return {
            "classes": list(self.classes),
            "known": self.known,
            "unprepared": self.unprepared,
            "cells": self.cells.tolist(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Evaluation:
        """Reads what `to_dict` returns, or what releases before it stored: a whole ``matrix``."""
        if "matrix" in stored:
            dense = np.array(stored["matrix"], np.int64)
            truth, predicted = np.nonzero(dense)
            cells = np.stack([truth, predicted, dense[truth, predicted]], axis=1)
            return cls(tuple(stored["classes"]), len(stored["classes"]), cells)
        cells = np.array(stored["cells"], np.int64).reshape(-1, 3)
        return cls(tuple(stored["classes"]), stored["known"], cells, stored["unprepared"])

    @cached_property
    def _right(self) -> npt.NDArray[np.int64]:
        hits = self.cells[self.cells[:, 0] == self.cells[:, 1]]
        return self._sums(hits, 0)

    @cached_property
    def _support(self) -> npt.NDArray[np.int64]:
        return self._sums(self.cells, 0)

    @cached_property
    def _given(self) -> npt.NDArray[np.int64]:
        return self._sums(self.cells, 1)

    def _sums(self, cells: npt.NDArray[np.int64], axis: int) -> npt.NDArray[np.int64]:
        sums = np.zeros(len(self.classes), np.int64)
        np.add.at(sums, cells[:, axis], cells[:, 2])
        return sums

    def _mean(self, values: npt.NDArray[np.float64]) -> float:
        occurs = (self._support + self._given) > 0
        return float(values[occurs].mean()) if occurs.any() else 0.0


def evaluate(truth: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> Evaluation:
    """Compares predictions with the truth.

    Args:
        truth: Class of each image. A class unknown to the model counts as an error and gets a row of
            its own.
        predicted: Predicted class of each image, in the same order.
        classes: The model's classes in its order.

    Raises:
        InputError: Sequences of different lengths, or duplicate classes.
        UnknownName: A prediction that is not one of the model's classes.

    Example:
        >>> evaluate(["a", "b"], ["a", "a"], ["a", "b"]).accuracy
        0.5
    """
    if len(truth) != len(predicted):
        raise InputError(
            f"expected as many labels as truths, received {len(predicted)} and {len(truth)}"
        )
    return evaluate_counts(Counter(zip(truth, predicted, strict=True)), classes)


def evaluate_counts(
    counts: Mapping[tuple[str, str | None], int], classes: Sequence[str]
) -> Evaluation:
    """Like `evaluate`, from images counted by true and predicted class.

    Args:
        counts: (truth, prediction) → images; the prediction is None where the version could not
            prepare the image.
        classes: The model's classes in its order.

    Raises:
        InputError: Duplicate classes.
        UnknownName: A prediction that is not one of the model's classes.

    Example:
        >>> evaluate_counts({("a", "a"): 3, ("b", "a"): 1}, ["a", "b"]).accuracy
        0.75
    """
    if len(set(classes)) != len(classes):
        twice = sorted(name for name, times in Counter(classes).items() if times > 1)
        raise InputError(f"expected each class once, received {twice[0]!r} more than once")
    measured = {(t, p): rows for (t, p), rows in counts.items() if p is not None}
    if unknown := {p for _, p in measured} - set(classes):
        raise UnknownName("label", min(unknown), classes)
    names = (*classes, *sorted({t for t, _ in measured} - set(classes)))
    index = {name: i for i, name in enumerate(names)}
    cells = sorted((index[t], index[p], rows) for (t, p), rows in measured.items() if rows)
    return Evaluation(
        classes=names,
        known=len(classes),
        cells=np.array(cells, np.int64).reshape(-1, 3),
        unprepared=sum(rows for (_, p), rows in counts.items() if p is None),
    )


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
