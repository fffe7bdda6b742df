"""A loaded model version: images in, probabilities out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from labelmill.domain.codecs.pixels import Pixels
from labelmill.domain.models.artifact import Artifact
from labelmill.errors import ArtifactError, InputError
from labelmill.inference.session import BATCH, OnnxSession

CANARY_TOLERANCE = 1e-5
"""Largest difference of a probability from that at export (another CPU may round differently)."""


class Predictor:
    """Prepares images as in training and runs the model's graph.

    An image gets the same bits alone, in any batch, at any position in it, and in every process on the
    same kind of CPU.

    Args:
        artifact: The model.
        threads: CPU threads.

    Raises:
        ArtifactError: The graph cannot be loaded.
    """

    def __init__(self, artifact: Artifact, threads: int = 1) -> None:
        self.artifact = artifact
        self.classes = artifact.classes
        self._session = OnnxSession(artifact.onnx, threads)

    def predict(self, images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        """Probabilities of each class for each image.

        Args:
            images: ``(H, W, C)`` each, uint8 or uint16; or one array ``(N, H, W, C)``.

        Returns:
            ``(N, K)`` float32: rows in the order of ``images``, columns in the order of ``classes``.

        Raises:
            InputError: An image whose shape after preparation is not the model's input.
        """
        answers = [np.zeros((0, len(self.classes)), np.float32)]
        for start in range(0, len(images), BATCH):
            # Batch by batch: float32 pixels of all images would not fit into small executors.
            prepared = self.artifact.preparation.apply(images[start : start + BATCH])
            if prepared.shape[1:] != self.artifact.input_shape:
                raise InputError(
                    f"the model takes images of {self.artifact.input_shape} after its preparation, "
                    f"received {prepared.shape[1:]}; add `resize` and `grey` to the preparation it is trained with"
                )
            answers.append(self._session.run(prepared))
        return np.concatenate(answers)

    def run(self, prepared: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Probabilities of images that the version's preparation has prepared.

        Args:
            prepared: ``(N, *input_shape)`` float32, N ≥ 1.

        Returns:
            ``(N, K)`` float32, the same bits as from `predict`.

        Raises:
            ArtifactError: The model's graph refuses the images.
        """
        return self._session.run(prepared)

    def check_canary(self) -> None:
        """Predicts the images in the artifact and compares with the probabilities at export.

        Raises:
            ArtifactError: They differ: this is not the model that was stored.
        """
        expected = self.artifact.canary_outputs
        received = self._session.run(self.artifact.canary_inputs)
        if received.shape != expected.shape:
            raise ArtifactError(
                f"the canary's probabilities are {received.shape}, expected {expected.shape}"
            )
        difference = float(np.abs(received - expected).max())
        if not difference <= CANARY_TOLERANCE:
            raise ArtifactError(
                f"the model does not predict as when it was exported: canary probabilities differ by "
                f"{difference:.2g}, expected at most {CANARY_TOLERANCE:g}"
            )
