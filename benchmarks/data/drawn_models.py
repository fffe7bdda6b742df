"""Model versions with drawn weights: real ONNX graphs that answer for digits, without training."""

from __future__ import annotations

import numpy as np

from labelmill.domain.models.artifact import Artifact
from labelmill.domain.models.preparation import Preparation
from labelmill.inference.session import OnnxSession
from labelmill.settings import Settings
from labelmill.store.connect import open_client
from labelmill.store.records import models
from labelmill.store.schema.tables import ALIASES, MODEL_CHUNKS, MODELS

CLASSES = tuple("0123456789")
HIDDEN = 128


def publish(settings: Settings, model: str, versions: int) -> None:
    """Stores versions 1 to `versions`, each with weights of its own."""
    client = open_client(settings)
    try:
        for table in (MODELS, MODEL_CHUNKS, ALIASES):
            client.ensure(table)
        for version in range(1, versions + 1):
            models.publish(client, model, version, drawn_artifact(version), "drawn", None)
    finally:
        client.close()


def drawn_artifact(seed: int, side: int = 28) -> Artifact:
    """784-128-10 with ReLU and softmax, the shape of family ``mlp``; another seed answers otherwise."""
    from onnx import TensorProto, helper, numpy_helper

    draw = np.random.default_rng(seed)
    first = (draw.normal(size=(side * side, HIDDEN)) / side).astype(np.float32)
    second = (draw.normal(size=(HIDDEN, len(CLASSES))) / 11).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["images"], ["flat"]),
            helper.make_node("MatMul", ["flat", "first"], ["sums"]),
            helper.make_node("Relu", ["sums"], ["hidden"]),
            helper.make_node("MatMul", ["hidden", "second"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "drawn",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", side, side, 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", len(CLASSES)])],
        [numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx = made.SerializeToString()
    canary = np.random.default_rng(0).random((8, side, side, 1), dtype=np.float32)
    return Artifact(
        onnx=onnx,
        weights=b"",
        family="mlp",
        parameters={"seed": seed},
        preparation=Preparation.parse(["grey"]),
        classes=CLASSES,
        canary_inputs=canary,
        canary_outputs=OnnxSession(onnx).run(canary),
        input_shape=(side, side, 1),
    )
