"""Trains small models: the same artifact wherever it is done."""

from __future__ import annotations

import numpy as np

from labelmill.domain.models.artifact import pack, sha256_of
from labelmill.domain.models.preparation import Preparation
from labelmill.learning.export import export
from labelmill.learning.fit import fit

PARAMETERS: dict[str, dict[str, object]] = {
    "softmax": {"epochs": 2, "batch_size": 16},
    "mlp": {
        "epochs": 2,
        "batch_size": 16,
        "hidden": [12, 7],
        "dropout": 0.2,
        "learning_rate": 0.01,
    },
}


def artifact_hash(family: str) -> str:
    """The hash of the artifact of one short training run."""
    random = np.random.default_rng(7)
    images = random.integers(0, 256, (90, 6, 5, 1), dtype=np.uint8)
    classes = random.integers(0, 3, 90)
    preparation = Preparation.parse(["grey"])
    prepared = preparation.apply(images)
    parameters = PARAMETERS[family]
    fitted = fit(family, parameters, (prepared, classes), None, 3)
    artifact = export(fitted, family, parameters, preparation, ("a", "b", "c"), list(images[:8]))
    return sha256_of(pack(artifact))
