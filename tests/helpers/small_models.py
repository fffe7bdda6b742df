"""Models for tests of the stream: a real ONNX graph with drawn weights, no training."""

from __future__ import annotations

import numpy as np

from labelmill.domain.models.artifact import Artifact
from labelmill.domain.models.preparation import Preparation
from labelmill.inference.session import OnnxSession

CLASSES = ("a", "b", "c")


def small_artifact(seed: int, side: int = 4) -> Artifact:
    """A linear softmax over `side` × `side` grey images; another seed gives other answers."""
    weights = np.random.default_rng(seed).normal(size=(side * side, 3)).astype(np.float32)
    return linear_artifact(weights, CLASSES, side, seed)


def linear_artifact(
    weights: np.ndarray,
    classes: tuple[str, ...],
    side: int = 4,
    seed: int = 0,
    bias: tuple[float, ...] | None = None,
) -> Artifact:
    """A linear softmax with these weights ``(side · side, K)`` over `side` × `side` grey images."""
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["images"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
            helper.make_node("Add", ["scores", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "small",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", side, side, 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", len(classes)])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.asarray(bias or [0] * len(classes), np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx = model.SerializeToString()
    canary = np.random.default_rng(0).random((2, side, side, 1), dtype=np.float32)
    return Artifact(
        onnx=onnx,
        weights=b"",
        family="softmax",
        parameters={"seed": seed},
        preparation=Preparation.parse(["grey"]),
        classes=classes,
        canary_inputs=canary,
        canary_outputs=OnnxSession(onnx).run(canary),
        input_shape=(side, side, 1),
    )
