"""One ONNX graph in ONNX Runtime, run in batches of one fixed size.

Matrix products choose their arithmetic by the number of rows, so an image alone and the same image
among 999 others could differ in the last bits. Every run here has the same number of rows, the last
one padded with zeros: the result for an image does not depend on the others (decision 0021).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelmill.errors import ArtifactError

BATCH = 256
"""Images per run. Predictions depend on it: do not change it without new model versions."""

_QUIET = 4  # fatal only; our errors report the rest


class OnnxSession:
    """A loaded graph, ``images`` → ``probabilities``.

    Args:
        graph: ONNX bytes.
        threads: CPU threads of one run.

    Raises:
        ArtifactError: The bytes are not such a graph.
    """

    def __init__(self, graph: bytes, threads: int = 1) -> None:
        import onnxruntime

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

    def run(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Probabilities ``(N, K)`` float32 of prepared images ``(N, H, W, C)`` float32, N ≥ 1.

        Raises:
            ArtifactError: The graph refuses the images.
        """
        answers = []
        for start in range(0, len(images), BATCH):
            part = images[start : start + BATCH]
            rows = len(part)
            if rows < BATCH:
                part = np.concatenate([part, np.zeros((BATCH - rows, *part.shape[1:]), np.float32)])
            try:
                (answer,) = self._session.run(["probabilities"], {"images": part})
            except Exception as error:
                raise ArtifactError(
                    f"the model's graph refuses images of {images.shape[1:]}: {error}"
                ) from None
            answers.append(answer[:rows])
        return np.concatenate(answers)
