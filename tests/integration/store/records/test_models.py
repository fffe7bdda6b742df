"""Model versions in the store: whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

import pytest

from labelmill.errors import ArtifactError, MissingRow, StoreError
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.records import models
from labelmill.store.schema.tables import MODEL_CHUNKS, MODELS, SWEEPS
from labelmill.testing.faults import DyingClient, Killed, alter_chunk, remove_chunk

HEADER: dict[str, object] = {
    "family": "mlp",
    "parameters": '{"epochs": 3}',
    "preparation": "[]",
    "classes": '["0", "1"]',
    "training_set": "digest",
    "trial_id": "t1",
}
DATA = bytes(range(256)) * 500  # 128,000 bytes: four chunks, the last one short


def _publish(client: RowClient, version: int = 1, data: bytes = DATA) -> str:
    return models.publish_bytes(client, "digits", version, HEADER, data)


def test_comes_back_whole(
    client: RowClient, settings: Settings, kudu_tool: Callable[..., str]
) -> None:
    sha256 = _publish(client)
    row, data = models.load(client, "digits", 1)
    assert data == DATA
    assert row["sha256"] == sha256
    assert row["bytes"] == 128_000
    assert row["chunks"] == 4
    assert row["parameters"] == '{"epochs": 3}'
    assert row["parent"] is None
    printed = kudu_tool("table", "scan", settings.table_prefix + "model_chunks")
    assert "Total count 4 " in printed


def test_again_is_the_same_version(client: RowClient) -> None:
    assert _publish(client) == _publish(client)
    assert models.versions(client, "digits") == [1]
    assert len(list(client.scan(MODEL_CHUNKS))) == 4
    assert len(list(client.scan(MODELS))) == 1


def test_other_bytes_under_an_existing_version_are_refused(client: RowClient) -> None:
    _publish(client)
    with pytest.raises(StoreError, match=r"digits' version 1 .*immutable.*publish as version 2"):
        _publish(client, data=DATA + b"x")
    assert models.load(client, "digits", 1)[1] == DATA


def test_killed_before_the_header_leaves_no_version(client: RowClient) -> None:
    with pytest.raises(Killed):
        _publish(DyingClient(client, MODELS))
    assert len(list(client.scan(MODEL_CHUNKS))) == 4
    assert models.versions(client, "digits") == []
    with pytest.raises(MissingRow, match="'digits' has no version 1; versions: none"):
        models.load(client, "digits", 1)
    _publish(client)
    assert models.load(client, "digits", 1)[1] == DATA


def test_missing_chunk_is_named_and_publishing_again_mends(client: RowClient) -> None:
    remove_chunk(client, _publish(client), 2)
    with pytest.raises(
        ArtifactError, match=r"'digits' version 1 .*chunk 2 of 4 is missing.*Publish.*again"
    ):
        models.load(client, "digits", 1)
    _publish(client)
    assert models.load(client, "digits", 1)[1] == DATA


def test_altered_chunk_is_named_and_publishing_again_mends(client: RowClient) -> None:
    alter_chunk(client, _publish(client), 3)
    with pytest.raises(ArtifactError, match=r"'digits' version 1 .*chunk 3 of 4 is altered.*again"):
        models.load(client, "digits", 1)
    _publish(client)
    assert models.load(client, "digits", 1)[1] == DATA


def test_swapped_chunk_with_its_own_digest_is_found(client: RowClient) -> None:
    sha256 = _publish(client)
    (other,) = client.scan(MODEL_CHUNKS, where={"sha256": sha256, "chunk": 3})
    client.write(MODEL_CHUNKS, [{**other, "chunk": 2}])
    with pytest.raises(ArtifactError, match="together are not the published bytes"):
        models.load(client, "digits", 1)


def test_wrong_chunk_count_is_found(client: RowClient) -> None:
    sha256 = _publish(client)
    (row,) = client.scan(MODELS)
    client.write(MODELS, [{**row, "chunks": 3}])
    with pytest.raises(ArtifactError, match="chunk 3 is beyond the 3 expected"):
        models.load(client, "digits", 1)
    client.write(MODELS, [{**row, "chunks": 5}])
    with pytest.raises(ArtifactError, match="chunk 4 of 5 is missing"):
        models.load(client, "digits", 1)
    assert sha256 == row["sha256"]


def test_next_version_counts_what_sweeps_have_reserved(client: RowClient) -> None:
    assert models.next_version(client, "digits") == 1
    _publish(client, version=2)
    assert models.next_version(client, "digits") == 3
    sweep = {
        "sweep_id": "s",
        "name": "s",
        "model": "digits",
        "training_set": "d",
        "plan": "{}",
        "first_version": 3,
        "trials": 6,
        "state": "running",
        "created_at": datetime.now(timezone.utc),
    }
    client.write(SWEEPS, [sweep])
    assert models.next_version(client, "digits") == 9
    assert models.next_version(client, "other") == 1
