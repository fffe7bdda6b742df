"""How a label is decided: the columns that follow from a prediction."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labelmill.errors import InputError
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.predict.labels import label_columns
from tests.helpers.small_models import small_artifact


class Fixed:
    """Answers what it was given."""

    classes = ("a", "b", "c")

    def __init__(self, probabilities: list[list[float]]) -> None:
        self._probabilities = np.array(probabilities)

    def predict(self, images: object) -> np.ndarray:
        return self._probabilities


def labels(probabilities: list[list[float]], threshold: float) -> list[dict[str, object]]:
    images = [np.zeros((1, 1, 1), np.uint8)] * len(probabilities)
    return label_columns(Fixed(probabilities), images, threshold)  # type: ignore[arg-type]


def test_the_columns_of_a_label() -> None:
    sure, unsure, tie = labels([[0.0, 1.0, 0.0], [0.5, 0.25, 0.25], [0.4, 0.4, 0.2]], 0.5)
    assert (sure["class"], sure["probability"], sure["decision"]) == ("b", 1.0, "accepted")
    assert sure["entropy"] == 0.0
    assert (unsure["class"], unsure["decision"]) == ("a", "accepted"), "at the threshold"
    assert unsure["entropy"] == pytest.approx(1.5 * math.log(2))
    assert (tie["class"], tie["decision"]) == ("a", "review"), "the first of equals"
    expected = np.array([0.4, 0.4, 0.2], "<f4")
    assert tie["probabilities"] == expected.tobytes()
    assert tie["probability"] == float(expected[0]), "the stored float32, exactly"


def test_images_that_the_model_does_not_accept() -> None:
    with pytest.raises(InputError, match=r"\(4, 4, 1\)"):
        label_columns(Predictor(small_artifact(1)), [np.zeros((5, 5, 1), np.uint8)], 0.5)

    class Refusing(Fixed):
        def predict(self, images: object) -> np.ndarray:
            raise ValueError("wrong rank")

    image = np.zeros((2, 3, 1), np.uint8)
    with pytest.raises(InputError, match=r"does not accept images \(2, 3, 1\): wrong rank"):
        label_columns(Refusing([]), [image], 0.5)  # type: ignore[arg-type]
