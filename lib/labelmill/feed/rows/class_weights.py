"""Class weights, so that rare classes are learned too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from labelmill.errors import InputError
from labelmill.feed.rows.targets import Classes, OneClass


def class_weights(counts: Sequence[int] | npt.NDArray[np.int64], rows: int) -> dict[int, float]:
    """Weights with which every class that has rows counts the same in total: N / (K · n_c).

    G. King, L. Zeng, "Logistic regression in rare events data", 2001; scikit-learn's "balanced".

    Args:
        counts: Rows of each class, by class index.
        rows: N; less than the sum of counts where rows have several classes.

    Returns:
        Class index → weight, for every class, as Keras expects it; 0 for classes without rows. K is
        the number of classes that have rows.

    Example:
        >>> class_weights([6, 2, 0], rows=8)
        {0: 0.6666666666666666, 1: 2.0, 2: 0.0}
    """
    present = sum(1 for count in counts if count)
    return {
        index: rows / (present * int(count)) if count else 0.0 for index, count in enumerate(counts)
    }


def class_weights_of(target: object, called: str, rows: int) -> dict[int, float]:
    """`class_weights` of a split's targets.

    Args:
        target: `OneClass` or `Classes`.
        called: The target's name in errors.
        rows: N.

    Raises:
        InputError: The target is not a class.
    """
    if not isinstance(target, OneClass | Classes):
        raise InputError(f"class weights of target {called!r}; expected classes")
    return class_weights(target.counts(), rows)
