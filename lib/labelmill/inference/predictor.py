"""A loaded model version: images in, probabilities out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from labelmill.domain.codecs.pixels import Pixels
from labelmill.domain.models.artifact import Artifact
from labelmill.errors import ArtifactError, ImageError, InputError, LabelmillError
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
        answers, refused = self.predict_each(images)
        for error in refused.values():
            raise error
        return answers

    def predict_each(
        self, images: Sequence[Pixels]
    ) -> tuple[npt.NDArray[np.float32], dict[int, InputError | ImageError]]:
        """Probabilities of each class for each image; an image that is refused affects no other.

        Images are prepared shape by shape and run together: many different shapes cost no more runs
        than one. At most two batches of prepared images are in memory.

        Args:
            images: ``(H, W, C)`` each, uint8 or uint16; shapes may differ.

        Returns:
            ``(N, K)`` float32, zeros where an image was refused; position → why the preparation does
            not accept it.
        """
        answers = np.zeros((len(images), len(self.classes)), np.float32)
        refused: dict[int, InputError | ImageError] = {}
        waiting: list[tuple[list[int], npt.NDArray[np.float32]]] = []
        for part in _alike(images):
            try:
                waiting.append((part, self._prepare([images[place] for place in part])))
            except (InputError, ImageError) as error:
                # Its traceback would keep the prepared images of this call alive.
                error.__cause__ = error.__context__ = None
                refused |= dict.fromkeys(part, error.with_traceback(None))
            if sum(len(places) for places, _ in waiting) >= BATCH:
                self._answer(waiting, answers)
        self._answer(waiting, answers)
        return answers, refused

    def _prepare(self, images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        try:
            prepared = self.artifact.preparation.apply(images)
        except ValueError as error:
            if isinstance(error, LabelmillError):
                raise
            raise InputError(
                f"the model does not accept images {images[0].shape}: {error}"
            ) from error
        if prepared.shape[1:] != self.artifact.input_shape:
            raise InputError(
                f"the model takes images of {self.artifact.input_shape} after its preparation, "
                f"received {prepared.shape[1:]}; add `resize` and `grey` to the preparation it is trained with"
            )
        return prepared

    def _answer(
        self,
        waiting: list[tuple[list[int], npt.NDArray[np.float32]]],
        answers: npt.NDArray[np.float32],
    ) -> None:
        if waiting:
            places = [place for part, _ in waiting for place in part]
            answers[places] = self._session.run(np.concatenate([images for _, images in waiting]))
            waiting.clear()

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

        It also finds out whether runs of few images must be filled up to get the same bits.

        Raises:
            ArtifactError: They differ: this is not the model that was stored.
        """
        expected = self.artifact.canary_outputs
        received = self._session.prove(self.artifact.canary_inputs)
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


def _alike(images: Sequence[Pixels]) -> Iterator[list[int]]:
    """Positions of images of one shape and type, at most `BATCH` at a time."""
    groups: dict[object, list[int]] = defaultdict(list)
    for place, image in enumerate(images):
        groups[image.shape, image.dtype].append(place)
    for group in groups.values():
        for start in range(0, len(group), BATCH):
            yield group[start : start + BATCH]
