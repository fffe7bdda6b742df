"""A model version out of the store, verified and ready to predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from labelmill.domain.models.reference import ModelReference
from labelmill.errors import UnknownName
from labelmill.inference.cache import predictor_of
from labelmill.inference.predictor import Predictor
from labelmill.store.client import RowClient
from labelmill.store.records import aliases, models
from labelmill.store.schema.tables import ALIASES, MODEL_CHUNKS, MODELS


@dataclass(frozen=True)
class LoadedVersion:
    """A version whose bytes and canary were checked.

    Attributes:
        model: Its model.
        version: Its number.
        header: Its row of ``models``.
        data: The artifact's bytes.
        predictor: Answers for it.
    """

    model: str
    version: int
    header: Mapping[str, Any]
    data: bytes
    predictor: Predictor

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the artifact's bytes."""
        return str(self.header["sha256"])


def load_version(client: RowClient, reference: ModelReference) -> LoadedVersion:
    """Loads the version that a reference names now.

    Raises:
        MissingRow: No such model, version or alias.
        ArtifactError: The stored model is not what was published.
    """
    model, version = reference.model, reference.version
    if version is None:
        version = aliases.resolve(client, model, reference.alias)
    header, data = models.load(client, model, version)
    # Checks the canary.
    predictor = predictor_of(str(header["sha256"]), partial(bytes, data))
    return LoadedVersion(model, version, header, data, predictor)


def require_model(client: RowClient, model: str) -> None:
    """Makes sure that a model has versions.

    Raises:
        UnknownName: No such model; suggests the closest match.
    """
    for table in (MODELS, MODEL_CHUNKS, ALIASES):
        client.ensure(table)
    if not models.versions(client, model):
        known = {str(row["model"]) for row in client.scan(MODELS, ["model"])}
        raise UnknownName("model", model, known)
