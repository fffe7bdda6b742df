"""Loaded models of this process: a Python worker of an executor keeps at most two warm.

Two, because while an alias moves, micro-batches of the old and the new version run side by side.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from labelmill.domain.models.artifact import sha256_of, unpack
from labelmill.errors import ArtifactError
from labelmill.inference.predictor import Predictor

WARM = 2
"""Most models that are kept open."""

_lock = threading.Lock()
_warm: OrderedDict[str, Predictor] = OrderedDict()


def predictor_of(sha256: str, artifact_bytes: Callable[[], bytes]) -> Predictor:
    """The predictor of an artifact: a warm one, or loaded and checked against its hash and its canary.

    Args:
        sha256: Of the artifact's bytes.
        artifact_bytes: Returns the bytes; called only when the model is not warm.

    Raises:
        ArtifactError: The bytes, or the canary's probabilities, differ from those stored.
    """
    with _lock:
        if sha256 in _warm:
            _warm.move_to_end(sha256)
            return _warm[sha256]
        data = artifact_bytes()
        if sha256_of(data) != sha256:
            raise ArtifactError(
                f"expected an artifact with sha256 {sha256}, received {len(data)} bytes with {sha256_of(data)}"
            )
        predictor = Predictor(unpack(data))
        predictor.check_canary()
        _warm[sha256] = predictor
        while len(_warm) > WARM:
            _warm.popitem(last=False)
        return predictor
