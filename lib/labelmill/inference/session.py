"""One ONNX graph in ONNX Runtime, whose answer for an image does not depend on the images beside it.

Matrix products may choose their arithmetic by the number of rows, so an image alone and the same image
among 999 others could differ in the last bits. ONNX Runtime packs constant weights beforehand and then
mostly does not; `OnnxSession.prove` finds out on this machine. Until it has, and where bits differ, every
run has the same number of rows, the last one filled up with zeros (decision 0021).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelmill.errors import ArtifactError

BATCH = 256
"""Most images per run. Where rows are filled up, predictions depend on it: do not change it."""

_SOME = 7
"""Rows of the second proof: kernels work on 4, 2 and 1 rows at the end of a product."""

_QUIET = 4  # fatal only; our errors report the rest


class OnnxSession:
    """A loaded graph, ``images`` → ``probabilities``.

    Args:
        graph: ONNX bytes.
        threads: CPU threads of one run.

    Attributes:
        fills: Whether runs of fewer than `BATCH` images are filled up with zeros.

    Raises:
        ArtifactError: The bytes are not such a graph.
    """

    def __init__(self, graph: bytes, threads: int = 1) -> None:
        import onnxruntime

        self.fills = True
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = _QUIET
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has a class for each kind of error
            raise ArtifactError(f"the model's ONNX graph cannot be loaded: {error}") from None
        inputs = [value.name for value in self._session.get_inputs()]
        outputs = [value.name for value in self._session.get_outputs()]
        if inputs != ["images"] or outputs != ["probabilities"]:
            raise ArtifactError(
                f"expected an ONNX graph from images to probabilities, received {inputs} to {outputs}"
            )

    def prove(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Finds out whether an image gets the same bits alone, among few and among `BATCH` images.

        Args:
            images: ``(N, H, W, C)``, 1 ≤ N ≤ `BATCH`: examples, such as a canary.

        Returns:
            Their probabilities ``(N, K)``, from a run of `BATCH` images.

        Raises:
            ArtifactError: The graph refuses the images.
        """
        many = np.resize(images, (BATCH, *images.shape[1:]))
        expected = self._run(many)
        few = self._run(many[:_SOME])
        equal = np.array_equal(few, expected[:_SOME])
        for place in range(len(images)) if equal else ():
            alone = self._run(images[place : place + 1])
            equal = equal and np.array_equal(alone[0], expected[place])
        self.fills = not equal
        return expected[: len(images)]

    def run(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Probabilities ``(N, K)`` float32 of prepared images ``(N, H, W, C)`` float32, N ≥ 1.

        Raises:
            ArtifactError: The graph refuses the images.
        """
        answers = []
        for start in range(0, len(images), BATCH):
            part = images[start : start + BATCH]
            rows = len(part)
            if rows < BATCH and self.fills:
                part = np.concatenate([part, np.zeros((BATCH - rows, *part.shape[1:]), np.float32)])
            answers.append(self._run(part)[:rows])
        return np.concatenate(answers)

    def _run(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        try:
            (answer,) = self._session.run(["probabilities"], {"images": images})
        except Exception as error:
            raise ArtifactError(
                f"the model's graph refuses images of {images.shape[1:]}: {error}"
            ) from None
        return np.asarray(answer, np.float32)
