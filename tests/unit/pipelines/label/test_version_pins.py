"""Which version labels a micro-batch, decided over rows in memory."""

from __future__ import annotations

from typing import Any

import pytest

from labelmill.errors import ArtifactError, InputError, MissingRow
from labelmill.pipelines.label.version_pins import WARM_VERSIONS, VersionPins
from labelmill.store.client import RowClient
from labelmill.store.records import aliases, batches, models
from labelmill.store.schema.tables import MODEL_CHUNKS, STREAM_BATCHES
from tests.helpers.memory_client import memory_client
from tests.helpers.small_models import small_artifact


class Broadcast:
    """Counts how often it was withdrawn from the executors."""

    def __init__(self, value: bytes) -> None:
        self.value, self.withdrawn = value, 0

    def unpersist(self) -> None:
        self.withdrawn += 1


class Context:
    """A Spark context that only broadcasts."""

    def __init__(self) -> None:
        self.broadcasts: list[Broadcast] = []

    def broadcast(self, value: bytes) -> Broadcast:
        self.broadcasts.append(Broadcast(value))
        return self.broadcasts[-1]


@pytest.fixture
def client() -> RowClient:
    """Versions 1 to 3 of model ``m``; ``production`` names 1."""
    found = memory_client()
    for version in (1, 2, 3):
        models.publish(found, "m", version, small_artifact(version), "digest", None)
    aliases.move(found, "m", "production", 1)
    return found


def pins_of(client: RowClient, warnings: list[str], context: Any = None) -> VersionPins:
    return VersionPins(client, context or Context(), "q", "m", "production", warnings.append)


def damage(client: RowClient, version: int) -> None:
    header = models.header_of(client, "m", version)
    assert header is not None
    client.write(MODEL_CHUNKS, [{"sha256": header["sha256"], "chunk": 0}], "delete_ignore")


def versions_pinned(client: RowClient) -> dict[object, object]:
    return {row["batch_id"]: row["version"] for row in client.scan(STREAM_BATCHES)}


def test_a_batch_is_pinned_to_what_the_alias_names_now(client: RowClient) -> None:
    pins = pins_of(client, [])
    assert pins.find_first() == 1
    served, replay = pins.pin(0)
    assert (served.version, replay) == (1, False)
    assert served.artifact.value == models.load(client, "m", 1)[1]
    aliases.move(client, "m", "production", 2)
    assert pins.pin(1)[0].version == 2
    assert versions_pinned(client) == {0: 1, 1: 2}


def test_a_replay_keeps_its_version_whatever_the_alias_names(client: RowClient) -> None:
    batches.pin(client, "q", 0, "m", 2)
    pins = pins_of(client, [])
    served, replay = pins.pin(0)
    assert (served.version, replay) == (2, True)
    assert versions_pinned(client) == {0: 2}
    damage(client, 2)
    with pytest.raises(ArtifactError, match="chunk 0"):
        pins_of(client, []).pin(0)


def test_a_batch_of_another_model_is_refused(client: RowClient) -> None:
    batches.pin(client, "q", 0, "other", 1)
    with pytest.raises(InputError, match="has labelled with model 'other' before"):
        pins_of(client, []).pin(0)


def test_a_version_that_cannot_be_served_keeps_the_last_good_one(client: RowClient) -> None:
    warnings: list[str] = []
    pins = pins_of(client, warnings)
    pins.pin(0)
    damage(client, 2)
    aliases.move(client, "m", "production", 2)
    assert [pins.pin(batch)[0].version for batch in (1, 2)] == [1, 1]
    assert len(warnings) == 1, "once per reason, not once per micro-batch"
    assert "Still serving version 1." in warnings[0]
    aliases.move(client, "m", "production", 1)
    assert pins.pin(3)[0].version == 1
    aliases.move(client, "m", "production", 2)
    assert pins.pin(4)[0].version == 1
    assert len(warnings) == 2, "the alias was good in between"
    aliases.move(client, "m", "production", 3)
    assert pins.pin(5)[0].version == 3


def test_the_first_version_may_be_the_last_pinned_one(client: RowClient) -> None:
    damage(client, 1)
    with pytest.raises(ArtifactError, match="chunk 0"):
        pins_of(client, []).find_first()
    batches.pin(client, "q", 0, "m", 2)
    batches.pin(client, "q", 1, "m", 3)
    batches.pin(client, "another stream", 7, "m", 2)
    warnings: list[str] = []
    pins = pins_of(client, warnings)
    assert pins.find_first() == 3
    assert "Serving version 3, as before." in warnings[0]
    assert pins.pin(2)[0].version == 3


def test_an_alias_that_is_not_there(client: RowClient) -> None:
    pins = VersionPins(client, Context(), "q", "m", "challenger", print)  # type: ignore[arg-type]
    with pytest.raises(MissingRow, match="no alias 'challenger'"):
        pins.find_first()


def test_only_the_newest_versions_stay_on_the_executors(client: RowClient) -> None:
    context = Context()
    pins = pins_of(client, [], context)
    for batch, version in enumerate((1, 2, 1, 3, 1)):
        aliases.move(client, "m", "production", version)
        assert pins.pin(batch)[0].version == version
    assert len(context.broadcasts) == 3, "a warm version is not sent again"
    assert [b.withdrawn for b in context.broadcasts] == [0, 1, 0], "the least recently used goes"
    assert WARM_VERSIONS == 2
