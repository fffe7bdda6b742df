"""Exports a trained model to an artifact: ONNX graph, weights, and a canary that later loads are checked with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from labelmill.domain.codecs.pixels import Pixels
from labelmill.domain.models.artifact import Artifact
from labelmill.domain.models.parameters import resolve
from labelmill.domain.models.preparation import Preparation
from labelmill.errors import ArtifactError, NoData
from labelmill.inference.session import OnnxSession
from labelmill.learning.fit import Fitted
from labelmill.learning.onnx_graph import onnx_of

CANARIES = 8
"""Images in an artifact, with the probabilities that the model predicts for them."""

# Keras and ONNX Runtime add in different orders; a larger difference means another model.
_TOLERANCE = 1e-4


def export(
    fitted: Fitted,
    family: str,
    parameters: Mapping[str, object],
    preparation: Preparation,
    classes: Sequence[str],
    canary_images: Sequence[Pixels] | npt.NDArray[np.float32],
) -> Artifact:
    """Exports a trained model; the same training gives the same bytes in every process.

    Args:
        fitted: The trained model.
        family: Name of its family.
        parameters: Its learning parameters; the family's defaults for missing ones.
        preparation: How its images were prepared.
        classes: In the order of its outputs.
        canary_images: One image or more, raw ``(H, W, C)``, or prepared ``(n, H, W, C)`` float32; the
            first 8 go into the artifact.

    Raises:
        NoData: No canary image.
        ArtifactError: ONNX Runtime and Keras predict different probabilities, or the number of classes
            is not the number of outputs.
    """
    from safetensors.numpy import save

    if len(canary_images) == 0:
        raise NoData("an artifact needs one canary image or more")
    if isinstance(canary_images, np.ndarray) and canary_images.dtype == np.float32:
        inputs = np.ascontiguousarray(canary_images[:CANARIES])
    else:
        inputs = preparation.apply(list(canary_images[:CANARIES]))
    model = fitted.model
    graph = onnx_of(model)
    outputs = OnnxSession(graph).run(inputs)
    expected = np.asarray(model(inputs, training=False))
    difference = float(np.abs(outputs - expected).max())
    if not difference <= _TOLERANCE:
        raise ArtifactError(
            f"the ONNX export predicts otherwise than the trained model: probabilities differ by {difference:.2g}, "
            f"expected at most {_TOLERANCE:g}"
        )
    if outputs.shape[1] != len(classes):
        raise ArtifactError(f"the model has {outputs.shape[1]} outputs for {len(classes)} classes")
    weights = {
        f"{layer.name}/{variable.name}": np.ascontiguousarray(variable.numpy())
        for layer in model.layers
        for variable in layer.trainable_variables
    }
    height, width, channels = inputs.shape[1:]
    return Artifact(
        onnx=graph,
        weights=save(weights),
        family=family,
        parameters=resolve(family, parameters),
        preparation=preparation,
        classes=tuple(classes),
        canary_inputs=inputs,
        canary_outputs=outputs,
        input_shape=(height, width, channels),
    )
