"""Predictions of a model, as a result that a notebook shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
import numpy.typing as npt

from labelmill.api.results.fragment import draw, render
from labelmill.domain.codecs.pixels import Pixels

PICTURES = 60
"""Images on a page: the least certain of more."""

RUNNERS_UP = 3
"""Classes shown for one image."""


@dataclass(frozen=True)
class Prediction:
    """A model's prediction for one image.

    Attributes:
        name: Its path, or its position in what was predicted.
        label: The class.
        probability: Of that class, 0..1.
        probabilities: Of every class, ``(K,)`` float32, in the order of `classes`.
        classes: The model's classes.
        decision: ``accepted`` or ``review``: the probability is below the threshold.

    Example::

        one = mill.model("digits@production").predict("digits/3/0003.png")
        one.label, one.probability
    """

    name: str
    label: str
    probability: float
    probabilities: npt.NDArray[np.float32] = field(repr=False)
    classes: tuple[str, ...] = field(repr=False)
    decision: str


@dataclass(frozen=True)
class Predictions(Sequence[Prediction]):
    """A model's predictions, in the order of the images: a sequence of `Prediction`.

    Attributes:
        model: Model and version, for example ``digits:3``.
        classes: The model's classes.
        probabilities: ``(N, K)`` float32.
        decisions: ``accepted`` or ``review``, one per image.
        names: Paths, or positions as text.

    Example:
        >>> probabilities = np.array([[0.9, 0.1], [0.4, 0.6]], np.float32)
        >>> found = Predictions("pets:1", ("cat", "dog"), probabilities,
        ...                     ("accepted", "accepted"), ("a.png", "b.png"))
        >>> found.labels
        ['cat', 'dog']
        >>> found[1].label, round(found[1].probability, 2)
        ('dog', 0.6)
    """

    model: str
    classes: tuple[str, ...]
    probabilities: npt.NDArray[np.float32] = field(repr=False)
    decisions: tuple[str, ...] = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    _images: Sequence[Pixels] = field(default=(), repr=False)

    @property
    def labels(self) -> list[str]:
        """The class of each image."""
        return [self.classes[index] for index in self.probabilities.argmax(axis=1)]

    @property
    def probability(self) -> npt.NDArray[np.float32]:
        """The probability of each image's class, ``(N,)`` float32."""
        best: npt.NDArray[np.float32] = self.probabilities.max(axis=1, initial=0)
        return best

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, number: int) -> Prediction: ...

    @overload
    def __getitem__(self, number: slice) -> list[Prediction]: ...

    def __getitem__(self, number: int | slice) -> Prediction | list[Prediction]:
        """One prediction, or a list of them."""
        if isinstance(number, slice):
            return [self[n] for n in range(*number.indices(len(self)))]
        row = self.probabilities[number]
        index = int(row.argmax())
        return Prediction(
            self.names[number],
            self.classes[index],
            float(row[index]),
            row,
            self.classes,
            self.decisions[number],
        )

    def __iter__(self) -> Iterator[Prediction]:
        return (self[number] for number in range(len(self)))

    def _repr_html_(self) -> str:
        order = np.arange(len(self))
        if len(self) > PICTURES:
            order = np.argsort(self.probability, kind="stable")[:PICTURES]
        shown = [
            (self[n], _runners_up(self[n]), draw(self._images[n]) if len(self._images) else b"")
            for n in order.tolist()
        ]
        return render(
            "predictions.html.j2",
            result=self,
            shown=shown,
            review=sum(decision == "review" for decision in self.decisions),
        )


def _runners_up(one: Prediction) -> list[tuple[str, float]]:
    best = np.argsort(-one.probabilities, kind="stable")[:RUNNERS_UP]
    return [(one.classes[n], float(one.probabilities[n])) for n in best]
