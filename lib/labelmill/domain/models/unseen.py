"""Classes that a version was measured on and never trained on: counted apart."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from labelmill.domain.models.metrics import Evaluation

NAMED = 5
"""Most classes that a sentence names."""


@dataclass(frozen=True)
class UnseenClasses:
    """Classes of the slice that no training image had.

    Args:
        names: The classes.
        rows: Their images.
        other_rows: Images of all other classes.
        other_wrong: Of these, how many are wrong.
    """

    names: tuple[str, ...]
    rows: int
    other_rows: int
    other_wrong: int

    def __str__(self) -> str:
        more = f" and {len(self.names) - NAMED:,} more" if len(self.names) > NAMED else ""
        rest = (
            f"error without them {self.other_wrong / self.other_rows:.4f}"
            if self.other_rows
            else "there are no others"
        )
        return (
            f"{self.rows:,} of {self.rows + self.other_rows:,} images have classes that it was not "
            f"trained on ({', '.join(self.names[:NAMED])}{more}); {rest}"
        )


def unseen_classes(found: Evaluation, trained: Collection[str] | None) -> UnseenClasses | None:
    """Finds classes that occur in a slice and not in training.

    Args:
        found: What was measured.
        trained: Classes with training images; None: not known, then all that the model has.

    Returns:
        None when there are none.

    Example:
        >>> from labelmill.domain.models.metrics import evaluate
        >>> print(unseen_classes(evaluate(["a", "c"], ["a", "b"], ["a", "b", "c"]), {"a", "b"}))
        1 of 2 images have classes that it was not trained on (c); error without them 0.0000
    """
    known = set(found.classes[: found.known] if trained is None else trained)
    new = np.array([name not in known for name in found.classes], np.bool_)
    truth, predicted, counts = found.cells.T
    of_new = new[truth]
    if not of_new.any():
        return None
    return UnseenClasses(
        tuple(found.classes[n] for n in np.unique(truth[of_new])),
        rows=int(counts[of_new].sum()),
        other_rows=int(counts[~of_new].sum()),
        other_wrong=int(counts[~of_new & (truth != predicted)].sum()),
    )
