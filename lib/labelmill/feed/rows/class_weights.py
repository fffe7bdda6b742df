"""How much each class counts, so that rare ones are learned too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from labelmill.errors import InputError
from labelmill.feed.rows.targets import Classes, OneClass


def class_weights(counts: Sequence[int] | npt.NDArray[np.int64], rows: int) -> dict[int, float]:
    """Weights that make every class that has rows count the same in sum: N / (K · n_c).

    G. King, L. Zeng, "Logistic regression in rare events data", 2001; scikit-learn's "balanced".

    Args:
        counts: Rows of each class, by class index.
        rows: N; with several classes a row less than the sum of counts.

    Returns:
        Class index → weight, for every class, as Keras wants it; 0 where a class has no rows. K is
        the number of classes that have any.
    """
    present = sum(1 for count in counts if count)
    return {
        index: rows / (present * int(count)) if count else 0.0 for index, count in enumerate(counts)
    }


def class_weights_of(target: object, called: str, rows: int) -> dict[int, float]:
    """`class_weights` of what rows are learned from.

    Args:
        target: `OneClass` or `Classes`.
        called: What an error calls it.
        rows: N.

    Raises:
        InputError: The target is no class.
    """
    if not isinstance(target, OneClass | Classes):
        raise InputError(f"class weights of target {called!r}; expected classes")
    return class_weights(target.counts(), rows)
