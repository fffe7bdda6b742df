from __future__ import annotations

import functools
import importlib.util

import numpy as np
import pytest

from labelmill.domain.models.artifact import pack, unpack
from labelmill.domain.models.preparation import Preparation
from labelmill.errors import ArtifactError, NoData
from labelmill.inference.predictor import Predictor
from labelmill.learning import export as export_module
from labelmill.learning.export import export
from labelmill.learning.fit import Fitted, fit

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None,
        reason="TensorFlow is not installed: pip install 'labelmill[train]'",
    ),
]

RANDOM = np.random.default_rng(5)
IMAGES = RANDOM.integers(0, 256, (60, 6, 5, 3), dtype=np.uint8)
CLASSES = RANDOM.integers(0, 4, 60)
PREPARATION = Preparation.parse(["grey", {"resize": [4, 4]}])
NAMES = ("north", "east", "south", "west")


@functools.cache
def fitted(family: str) -> Fitted:
    """Trained once: an export changes nothing of it."""
    return fit(
        family, {"epochs": 2, "batch_size": 8}, (PREPARATION.apply(IMAGES), CLASSES), None, 4
    )


@pytest.mark.parametrize("family", ["softmax", "mlp"])
def test_the_artifact_answers_as_the_trained_model(family: str) -> None:
    trained = fitted(family)
    artifact = unpack(
        pack(export(trained, family, trained.parameters, PREPARATION, NAMES, list(IMAGES)))
    )
    predictor = Predictor(artifact)
    predictor.check_canary()
    expected = np.asarray(trained.model(PREPARATION.apply(IMAGES), training=False))
    np.testing.assert_allclose(predictor.predict(list(IMAGES)), expected, atol=1e-6)
    assert artifact.classes == NAMES
    assert artifact.family == family
    assert artifact.preparation == PREPARATION
    assert artifact.input_shape == (4, 4, 1)
    assert artifact.canary_inputs.shape == (8, 4, 4, 1)


def test_the_weights_are_those_of_the_layers() -> None:
    from safetensors.numpy import load

    trained = fitted("mlp")
    weights = load(export(trained, "mlp", {}, PREPARATION, NAMES, list(IMAGES)).weights)
    assert set(weights) == {
        f"{layer}/{part}"
        for layer in ("hidden_1", "hidden_2", "scores")
        for part in ("kernel", "bias")
    }
    np.testing.assert_array_equal(
        weights["scores/kernel"], trained.model.get_layer("scores").kernel.numpy()
    )


def test_the_graph_needs_no_other_opset_than_declared() -> None:
    onnx = pytest.importorskip("onnx")
    graph = onnx.load_from_string(
        export(fitted("mlp"), "mlp", {}, PREPARATION, NAMES, list(IMAGES)).onnx
    )
    onnx.checker.check_model(graph)
    assert [(o.domain, o.version) for o in graph.opset_import if o.domain == ""] == [("", 17)]
    assert [v.name for v in graph.graph.input] == ["images"]
    assert [v.name for v in graph.graph.output] == ["probabilities"]


def test_an_export_that_answers_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    trained, other = fitted("softmax"), fitted("mlp")
    graph = export(other, "mlp", {}, PREPARATION, NAMES, list(IMAGES)).onnx
    monkeypatch.setattr(export_module, "onnx_of", lambda model: graph)
    with pytest.raises(ArtifactError, match="predicts otherwise than the trained model"):
        export(trained, "softmax", {}, PREPARATION, NAMES, list(IMAGES))


def test_an_artifact_needs_a_canary_and_a_name_for_each_output() -> None:
    trained = fitted("softmax")
    with pytest.raises(NoData, match="canary"):
        export(trained, "softmax", {}, PREPARATION, NAMES, [])
    with pytest.raises(ArtifactError, match="4 outputs for 3 classes"):
        export(trained, "softmax", {}, PREPARATION, NAMES[:3], list(IMAGES))
