"""Models for tests of the stream: a real ONNX graph with drawn weights, no training."""

from __future__ import annotations

import numpy as np

from labelmill.domain.models.artifact import Artifact
from labelmill.domain.models.preparation import Preparation
from labelmill.inference.session import OnnxSession

CLASSES = ("a", "b", "c")


def small_artifact(seed: int, side: int = 4) -> Artifact:
    """A linear softmax over `side` × `side` grey images; another seed gives other answers."""
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(seed).normal(size=(side * side, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["images"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "small",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", side, side, 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(weights, "weights")],
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
        classes=CLASSES,
        canary_inputs=canary,
        canary_outputs=OnnxSession(onnx).run(canary),
        input_shape=(side, side, 1),
    )
