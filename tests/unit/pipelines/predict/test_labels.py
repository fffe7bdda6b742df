"""How a label is decided: the columns that follow from a prediction."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from labelmill.domain.models.preparation import Preparation
from labelmill.errors import InputError
from labelmill.inference.predictor import Predictor
from labelmill.inference.session import OnnxSession
from labelmill.pipelines.predict.labels import label_columns
from tests.helpers.small_models import small_artifact


class Fixed:
    """Answers what it was given."""

    classes = ("a", "b", "c")

    def __init__(self, probabilities: list[list[float]]) -> None:
        self._probabilities = np.array(probabilities)

    def predict_each(self, images: object) -> tuple[np.ndarray, dict[int, InputError]]:
        return self._probabilities, {}


def labels(probabilities: list[list[float]], threshold: float) -> list[Any]:
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


def test_an_image_that_the_model_does_not_accept_affects_no_other() -> None:
    predictor = Predictor(small_artifact(1))
    good = np.random.default_rng(2).integers(0, 256, (2, 4, 4, 1), np.uint8)
    images = [good[0], np.zeros((5, 5, 1), np.uint8), good[1], np.zeros((4, 4, 1), np.uint16)]
    first, refused, second, deep = label_columns(predictor, images, 0.5)
    assert isinstance(refused, InputError)
    assert "(4, 4, 1)" in str(refused)
    assert [first, second] == label_columns(predictor, list(good), 0.5)
    assert isinstance(deep, dict)
    with pytest.raises(InputError, match=r"\(4, 4, 1\)"):
        predictor.predict(images)


def test_many_shapes_run_together_with_the_same_bits() -> None:
    artifact = small_artifact(1)
    resized = replace(artifact, preparation=Preparation.parse(["grey", {"resize": [4, 4]}]))
    draw = np.random.default_rng(3)
    images = [
        draw.integers(0, 256, (3 + n % 40, 3 + n % 7, 1 + 2 * (n % 2)), np.uint8)
        for n in range(600)
    ]
    predictor = Predictor(resized)
    runs: list[int] = []
    session = predictor._session
    predictor._session = Counting(session, runs)  # type: ignore[assignment]
    together = label_columns(predictor, images, 0.5)
    assert len(runs) <= 3
    assert sum(runs) == 600
    for place in (0, 255, 256, 599):
        assert label_columns(predictor, [images[place]], 0.5) == [together[place]]


class Counting:
    """A session that notes the rows of each run."""

    def __init__(self, session: OnnxSession, runs: list[int]) -> None:
        self._session, self._runs = session, runs

    def run(self, images: np.ndarray) -> np.ndarray:
        self._runs.append(len(images))
        return self._session.run(images)
