"""A Keras model as an ONNX graph whose bytes depend on the model alone."""

from __future__ import annotations

import contextlib
import io
import logging
from typing import Any

from labelmill.learning.runtime import tensorflow

# Every onnxruntime that this project allows (1.20 and later) reads these.
OPSET = 17
IR_VERSION = 8


def onnx_of(model: Any) -> bytes:
    """Converts a model with tf2onnx; input ``images``, output ``probabilities``, any batch size.

    tf2onnx numbers tensors with a counter of the process, and Keras names scopes by what was built
    before, so everything inside is renamed by its position in the graph.

    Args:
        model: ``keras.Model``, ``(N, H, W, C)`` → ``(N, K)``.
    """
    tf = tensorflow()
    with contextlib.redirect_stderr(io.StringIO()):
        import tf2onnx
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)

    @tf.function  # type: ignore[untyped-decorator]
    def answer(images: Any) -> dict[str, Any]:
        return {"probabilities": model(images, training=False)}

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="images")]
    proto, _ = tf2onnx.convert.from_function(answer, input_signature=signature, opset=OPSET)
    return _canonical(proto).SerializeToString(deterministic=True)  # type: ignore[no-any-return]


def _canonical(proto: Any) -> Any:
    """Names nodes, tensors and initial values by the order in which the graph uses them."""
    graph = proto.graph
    stated = {value.name for value in (*graph.input, *graph.output)}
    constants = {value.name for value in graph.initializer}
    names: dict[str, str] = {name: name for name in stated}
    for position, node in enumerate(graph.node):
        node.name = f"{node.op_type.lower()}_{position}"
        node.doc_string = ""
        for received in node.input:
            if received and received not in names:
                kind = "weight" if received in constants else "value"
                names[received] = f"{kind}_{len(names)}"
        for given in node.output:
            if given and given not in names:
                names[given] = f"value_{len(names)}"
        node.input[:] = [names.get(name, "") for name in node.input]
        node.output[:] = [names.get(name, "") for name in node.output]
    used = sorted(
        (v for v in graph.initializer if v.name in names), key=lambda v: list(names).index(v.name)
    )
    copies = [type(v).FromString(v.SerializeToString()) for v in used]
    for copy in copies:
        copy.name = names[copy.name]
    del graph.initializer[:]
    graph.initializer.extend(copies)
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    graph.name, graph.doc_string = "labelmill", ""
    proto.ir_version = IR_VERSION
    proto.producer_name, proto.producer_version, proto.doc_string = "labelmill", "", ""
    del proto.metadata_props[:]
    return proto
