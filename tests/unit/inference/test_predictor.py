"""Prediction by a golden artifact (format 1): a softmax trained on 4×4 pictures of three classes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labelmill.domain.models.artifact import Artifact, unpack
from labelmill.domain.models.preparation import Preparation
from labelmill.errors import ArtifactError, InputError
from labelmill.inference.predictor import Predictor
from labelmill.inference.session import BATCH

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "data" / "artifact-format-1.zip"


def golden() -> Artifact:
    return unpack(GOLDEN.read_bytes())


def images(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(9).integers(0, 256, (count, 4, 4, 1), dtype=np.uint8))


def digest_of_answers() -> str:
    """Hash of the probabilities of 300 images; called in a second process too."""
    return hashlib.sha256(Predictor(golden()).predict(images(300)).tobytes()).hexdigest()


def test_an_artifact_of_format_1_still_loads_and_answers() -> None:
    predictor = Predictor(golden())
    predictor.check_canary()
    assert predictor.classes == ("dark", "half", "light")
    for value, expected in ((0, "dark"), (255, "light")):
        row = predictor.predict([np.full((4, 4, 1), value, np.uint8)])[0]
        assert predictor.classes[int(row.argmax())] == expected
        assert row.sum() == pytest.approx(1, abs=1e-6)


def test_the_answers_are_softmax_of_the_stored_weights() -> None:
    from safetensors.numpy import load

    weights = load(golden().weights)
    flat = np.stack(images(50)).reshape(50, 16) / 255.0
    scores = flat @ weights["scores/kernel"].astype(np.float64) + weights["scores/bias"]
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(
        Predictor(golden()).predict(images(50)), odds / odds.sum(axis=1, keepdims=True), atol=1e-6
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_an_image_gets_the_same_bits_in_any_company(threads: int) -> None:
    predictor, heap = Predictor(golden(), threads), images(2 * BATCH + 31)
    together = predictor.predict(heap)
    assert together.shape == (len(heap), 3)
    order = np.random.default_rng(1).permutation(len(heap))
    np.testing.assert_array_equal(predictor.predict([heap[i] for i in order]), together[order])
    for place in (0, 7, BATCH - 1, BATCH, len(heap) - 1):
        np.testing.assert_array_equal(predictor.predict([heap[place]])[0], together[place])
    pieces = [predictor.predict(heap[start : start + 100]) for start in range(0, len(heap), 100)]
    np.testing.assert_array_equal(np.concatenate(pieces), together)
    np.testing.assert_array_equal(predictor.predict(np.stack(heap)), together)


def test_an_image_gets_the_same_bits_in_another_process() -> None:
    code = "from tests.unit.inference.test_predictor import *; print(digest_of_answers())"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == digest_of_answers()


def test_no_tensorflow_is_loaded() -> None:
    code = (
        "from tests.unit.inference.test_predictor import *; digest_of_answers(); "
        "print([m for m in ('tensorflow', 'keras', 'pyspark', 'onnx') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_no_images() -> None:
    assert Predictor(golden()).predict([]).shape == (0, 3)


def test_images_are_prepared_as_in_training() -> None:
    inverted = replace(golden(), preparation=Preparation.parse(["grey", "invert"]))
    light = np.full((4, 4, 3), 255, np.uint8)
    assert Predictor(inverted).predict([light])[0].argmax() == 0


def test_images_of_another_shape_are_refused_with_the_mend() -> None:
    with pytest.raises(
        InputError, match=r"takes images of \(4, 4, 1\).*received \(5, 5, 1\); add `resize`"
    ):
        Predictor(golden()).predict([np.zeros((5, 5, 1), np.uint8)])


def test_a_graph_that_is_none_is_refused() -> None:
    for graph in (b"", b"not a graph", golden().onnx[:-40]):
        with pytest.raises(ArtifactError, match="cannot be loaded"):
            Predictor(replace(golden(), onnx=graph))


def test_the_canary_notices_other_weights() -> None:
    shifted = golden().canary_outputs + np.float32(1e-4)
    with pytest.raises(ArtifactError, match="does not predict as when it was exported"):
        Predictor(replace(golden(), canary_outputs=shifted)).check_canary()
    with pytest.raises(ArtifactError, match=r"probabilities are \(8, 3\), expected \(8, 2\)"):
        Predictor(replace(golden(), canary_outputs=golden().canary_outputs[:, :2])).check_canary()
    nan = np.full_like(golden().canary_outputs, np.nan)
    with pytest.raises(ArtifactError, match="does not predict"):
        Predictor(replace(golden(), canary_outputs=nan)).check_canary()
