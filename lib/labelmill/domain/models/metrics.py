"""One model version measured on one slice: accuracy, precision, recall, F1, confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        rows: Images measured.
        accuracy: Share of right predictions, 0..1; 0 for no rows.
        precision_macro: Unweighted mean over classes, 0..1.
        recall_macro: Unweighted mean over classes, 0..1.
        f1_macro: Unweighted mean over classes, 0..1.
        per_class: One score per class, in the order of ``classes``.
        confusion: ``(K, K)`` int64, ``[truth][predicted]``.
        classes: The model's classes in its order, then truths it does not know, sorted.
    """

    rows: int
    accuracy: float
    precision_macro: float
    recall_macro: float
    f1_macro: float
    per_class: list[ClassScore]
    confusion: npt.NDArray[np.int64]
    classes: tuple[str, ...]

    @property
    def error(self) -> float:
        """1 − accuracy."""
        return 1.0 - self.accuracy


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
    if len(set(classes)) != len(classes):
        raise InputError(f"expected each class once, received {list(classes)}")
    unknown = set(predicted) - set(classes)
    if unknown:
        raise UnknownName("label", min(unknown), classes)
    names = (*classes, *sorted(set(truth) - set(classes)))
    index = {name: i for i, name in enumerate(names)}
    confusion = np.zeros((len(names), len(names)), np.int64)
    np.add.at(confusion, ([index[t] for t in truth], [index[p] for p in predicted]), 1)

    right = confusion.diagonal()
    support, given = confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = _share(right, given), _share(right, support)
    f1 = _share(2 * right, support + given)
    occurs = (support + given) > 0
    rows = len(truth)
    return Evaluation(
        rows=rows,
        accuracy=float(right.sum() / rows) if rows else 0.0,
        precision_macro=_mean(precision, occurs),
        recall_macro=_mean(recall, occurs),
        f1_macro=_mean(f1, occurs),
        per_class=[
            ClassScore(name, float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
            for i, name in enumerate(names)
        ],
        confusion=confusion,
        classes=names,
    )


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _mean(values: npt.NDArray[np.float64], where: npt.NDArray[np.bool_]) -> float:
    return float(values[where].mean()) if where.any() else 0.0
