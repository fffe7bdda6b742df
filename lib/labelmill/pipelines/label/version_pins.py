"""Which version labels a micro-batch: pinned once, loaded and proven before, the same on a replay."""

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

WARM = 2
"""Versions whose bytes stay with the executors: the serving one and the one before the swap."""


@dataclass(frozen=True)
class Served:
    """A version that was loaded, verified and whose canary answered as stored."""

    version: int
    sha256: str
    artifact: Broadcast[bytes]


class Pins:
    """Resolves the alias once per micro-batch and pins what it names.

    Args:
        client: Open client.
        context: For broadcasts.
        query: Name of the stream.
        model: Model name.
        alias: Alias to follow.
        warn: Told, once per occurrence, that the alias names a version that cannot be served.
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
        self._warm: dict[int, Served] = {}
        self._good: int | None = None
        self._refused: str = ""

    def first(self) -> int:
        """Finds the version to begin with; to be called before the stream starts.

        Raises:
            MissingRow: No such alias; the message lists aliases and versions.
            ArtifactError: The alias names a version that cannot be served, and the stream has
                never served another.
        """
        try:
            return self._current()
        except ArtifactError as error:
            earlier = self._last_pinned()
            if earlier is None:
                raise
            self._served(earlier)
            self._good = earlier
            self._say(f"{error} Serving version {earlier}, as before.")
            return earlier

    def pin(self, batch_id: int) -> tuple[Served, bool]:
        """The version of this micro-batch, and whether an earlier run had pinned it.

        Raises:
            ArtifactError: The pinned version of a replayed batch cannot be served any more.
            InputError: The batch was pinned by a stream of another model.
        """
        where = {"query": self._query, "batch_id": batch_id}
        for row in self._client.scan(STREAM_BATCHES, ["model", "version"], where):
            if row["model"] != self._model:
                raise InputError(
                    f"stream {self._query!r} has labelled with model {row['model']!r} before, now "
                    f"with {self._model!r}: give another --query (and --checkpoint)"
                )
            return self._served(int(str(row["version"]))), True
        wanted = self._current()
        pinned = batches.pin(self._client, self._query, batch_id, self._model, wanted)
        return self._served(pinned), pinned != wanted

    def _current(self) -> int:
        """The alias' version if it can be served, else the last good one (said loudly)."""
        try:
            version = aliases.resolve(self._client, self._model, self._alias)
            self._served(version)
        except (ArtifactError, MissingRow) as error:
            if self._good is None:
                raise
            self._say(f"alias {self._alias!r}: {error} Still serving version {self._good}.")
            return self._good
        self._good, self._refused = version, ""
        return version

    def _say(self, text: str) -> None:
        if text != self._refused:  # once per reason, not once per micro-batch
            self._warn(text)
        self._refused = text

    def _last_pinned(self) -> int | None:
        rows = self._client.scan(
            STREAM_BATCHES, ["batch_id", "version"], {"query": self._query, "model": self._model}
        )
        last = max(rows, key=lambda row: int(str(row["batch_id"])), default=None)
        return None if last is None else int(str(last["version"]))

    def _served(self, version: int) -> Served:
        if version in self._warm:
            self._warm[version] = self._warm.pop(version)  # most recently used last
            return self._warm[version]
        row, data = models.load(self._client, self._model, version)
        Predictor(unpack(data)).check_canary()
        served = Served(version, str(row["sha256"]), self._context.broadcast(data))
        self._warm[version] = served
        while len(self._warm) > WARM:
            oldest = next(iter(self._warm))
            self._warm.pop(oldest).artifact.unpersist()
        return served
