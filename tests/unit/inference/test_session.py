from __future__ import annotations

import numpy as np
import pytest

from labelmill.errors import ArtifactError
from labelmill.inference.session import BATCH, OnnxSession
from tests.helpers.small_models import small_artifact


def counting_graph(output: str = "probabilities") -> bytes:
    """A graph that answers, for each image, how many rows the run had."""
    onnx = pytest.importorskip(
        "onnx", reason="onnx is not installed: pip install 'labelmill[train]'"
    )
    make, floats = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        make.make_node("ReduceSum", ["images", "axes"], ["summed"], keepdims=0),
        make.make_node("Shape", ["images"], ["rows"], end=1),
        make.make_node("Cast", ["rows"], ["count"], to=floats),
        make.make_node("Mul", ["summed", "nought"], ["zeros"]),
        make.make_node("Add", ["zeros", "count"], [output]),
    ]
    constants = [
        onnx.numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
        onnx.numpy_helper.from_array(np.array([0], np.float32), "nought"),
    ]
    graph = make.make_graph(
        nodes,
        "counting",
        [make.make_tensor_value_info("images", floats, ["N", 2, 2, 1])],
        [make.make_tensor_value_info(output, floats, ["N", 1])],
        constants,
    )
    opset = [make.make_opsetid("", 17)]
    return bytes(make.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())


@pytest.mark.parametrize("count", [1, 2, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH])
def test_rows_are_filled_up_where_bits_depend_on_them(count: int) -> None:
    session = OnnxSession(counting_graph())
    images = np.zeros((count, 2, 2, 1), np.float32)
    np.testing.assert_array_equal(session.run(images), np.full((count, 1), BATCH))
    session.prove(images[:3])
    assert session.fills
    np.testing.assert_array_equal(session.run(images), np.full((count, 1), BATCH))


@pytest.mark.parametrize("count", [1, 5, 8])
def test_rows_are_not_filled_up_where_bits_are_equal(count: int) -> None:
    artifact = small_artifact(3)
    session = OnnxSession(artifact.onnx)
    images = np.random.default_rng(1).random((count, 4, 4, 1), dtype=np.float32)
    filled = session.run(images)
    np.testing.assert_array_equal(session.prove(images), filled)
    assert not session.fills
    np.testing.assert_array_equal(session.run(images), filled)


def test_images_that_the_graph_does_not_take() -> None:
    with pytest.raises(ArtifactError, match=r"refuses images of \(3, 3, 1\)"):
        OnnxSession(counting_graph()).run(np.zeros((1, 3, 3, 1), np.float32))


def test_a_graph_with_other_names_is_refused() -> None:
    with pytest.raises(
        ArtifactError, match=r"images to probabilities, received \['images'\] to \['scores'\]"
    ):
        OnnxSession(counting_graph("scores"))
