"""Pins one model version per micro-batch: loaded and verified first, and the same on a replay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark import Broadcast, SparkContext

from labelmill.domain.models.artifact import unpack
from labelmill.errors import ArtifactError, InputError, MissingRow
from labelmill.inference.predictor import Predictor
from labelmill.store.client import RowClient
from labelmill.store.records import aliases, batches, models
from labelmill.store.schema.tables import STREAM_BATCHES

WARM_VERSIONS = 2
"""Versions whose bytes stay on the executors: the current one and the one before the swap."""


@dataclass(frozen=True)
class ServedVersion:
    """A version that was loaded and verified: its bytes, and its canary's answers."""

    version: int
    sha256: str
    artifact: Broadcast[bytes]


class VersionPins:
    """Resolves the alias once per micro-batch and pins the version that it names.

    Args:
        client: Open client.
        context: For broadcasts.
        query: Name of the stream.
        model: Model name.
        alias: Alias to follow.
        warn: Called when the alias names a version that cannot be served, once per reason.
    """

    def __init__(
        self,
        client: RowClient,
        context: SparkContext,
        query: str,
        model: str,
        alias: str,
        warn: Callable[[str], None],
    ) -> None:
        self._client, self._context = client, context
        self._query, self._model, self._alias, self._warn = query, model, alias, warn
        self._warm: dict[int, ServedVersion] = {}
        self._last_good: int | None = None
        self._last_warning: str = ""

    def find_first(self) -> int:
        """Finds the version to start with; call it before the stream starts.

        Raises:
            MissingRow: No such alias, and the stream has served no version before; the message lists
                aliases and versions.
            ArtifactError: The alias names a version that cannot be served, and the stream has
                served no other before.
        """
        try:
            return self._resolve()
        except (ArtifactError, MissingRow) as error:
            earlier = self._last_pinned()
            if earlier is None:
                raise
            self._load(earlier)
            self._last_good = earlier
            self._warn_once(f"{error} Serving version {earlier}, as before.")
            return earlier

    def pin(self, batch_id: int) -> tuple[ServedVersion, bool]:
        """Pins the version of a micro-batch.

        Returns:
            The version, and whether an earlier run had pinned it (a replay).

        Raises:
            ArtifactError: The pinned version of a replayed batch can no longer be served.
            InputError: The batch was pinned by a stream of another model.
        """
        where = {"query": self._query, "batch_id": batch_id}
        for row in self._client.scan(STREAM_BATCHES, ["model", "version"], where):
            if row["model"] != self._model:
                raise InputError(
                    f"stream {self._query!r} has labelled with model {row['model']!r} before, now "
                    f"with {self._model!r}: give another --query (and --checkpoint)"
                )
            return self._load(int(str(row["version"]))), True
        version = self._resolve()
        pinned = batches.pin(self._client, self._query, batch_id, self._model, version)
        return self._load(pinned), pinned != version

    def _resolve(self) -> int:
        """The alias's version if it can be served, else the last good one, with a warning."""
        try:
            version = aliases.resolve(self._client, self._model, self._alias)
            self._load(version)
        except (ArtifactError, MissingRow) as error:
            if self._last_good is None:
                raise
            self._warn_once(
                f"alias {self._alias!r}: {error} Still serving version {self._last_good}."
            )
            return self._last_good
        self._last_good, self._last_warning = version, ""
        return version

    def _warn_once(self, text: str) -> None:
        if text != self._last_warning:  # once per reason, not once per micro-batch
            self._warn(text)
        self._last_warning = text

    def _last_pinned(self) -> int | None:
        rows = self._client.scan(
            STREAM_BATCHES, ["batch_id", "version"], {"query": self._query, "model": self._model}
        )
        last = max(rows, key=lambda row: int(str(row["batch_id"])), default=None)
        return None if last is None else int(str(last["version"]))

    def _load(self, version: int) -> ServedVersion:
        if version in self._warm:
            self._warm[version] = self._warm.pop(version)  # most recently used last
            return self._warm[version]
        row, data = models.load(self._client, self._model, version)
        Predictor(unpack(data)).check_canary()
        served = ServedVersion(version, str(row["sha256"]), self._context.broadcast(data))
        self._warm[version] = served
        while len(self._warm) > WARM_VERSIONS:
            oldest = next(iter(self._warm))
            self._warm.pop(oldest).artifact.unpersist()
        return served
