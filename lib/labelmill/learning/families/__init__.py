"""Model families: name → function that builds an untrained model.

Every family builds a Keras model from ``images`` float32 ``(N, H, W, C)`` to ``probabilities``
float32 ``(N, K)`` whose last two layers are called ``scores`` (linear) and ``probabilities``
(softmax). Layers are named and initial weights seeded one by one, so the same parameters give the same
bytes, whatever the process built before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from labelmill.learning.families.mlp import mlp
from labelmill.learning.families.softmax import softmax

Family = Callable[[tuple[int, int, int], int, Mapping[str, object]], Any]

FAMILIES: dict[str, Family] = {"softmax": softmax, "mlp": mlp}
"""Input shape ``(H, W, C)``, number of classes, parameters → ``keras.Model``."""
