"""Aliases, pinned micro-batches and digests: small row functions over the real store."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from labelmill.errors import MissingRow, UnknownName
from labelmill.store.client import RowClient
from labelmill.store.records import aliases, batches, models
from labelmill.store.records.digest import CATALOGUE, collection_digest, table_digest
from labelmill.store.schema.tables import ALIASES, ANNOTATIONS, STREAM_BATCHES
from labelmill.testing.store_contract.samples import PLAIN, plain_rows

HEADER: dict[str, object] = dict.fromkeys(
    ("family", "parameters", "preparation", "classes", "training_set"), ""
)


def test_alias_moves_only_to_versions_that_exist(client: RowClient) -> None:
    client.ensure(ALIASES)
    for version in (1, 2):
        models.publish_bytes(client, "digits", version, HEADER, bytes([version]))
    with pytest.raises(
        MissingRow, match=r"'digits' has no alias 'production'\. Aliases: none; versions: 1, 2"
    ):
        aliases.resolve(client, "digits", "production")
    aliases.move(client, "digits", "production", 2)
    assert aliases.resolve(client, "digits", "production") == 2
    with pytest.raises(MissingRow, match="no version 3, so alias 'production' was not moved"):
        aliases.move(client, "digits", "production", 3)
    assert aliases.resolve(client, "digits", "production") == 2
    aliases.move(client, "digits", "production", 1)
    assert aliases.resolve(client, "digits", "production") == 1
    with pytest.raises(MissingRow, match="Aliases: production → 1"):
        aliases.resolve(client, "digits", "challenger")


def test_a_replayed_batch_keeps_its_version(client: RowClient) -> None:
    client.ensure(STREAM_BATCHES)
    assert batches.pin(client, "q", 0, "digits", 1) == 1
    assert batches.pin(client, "q", 0, "digits", 2) == 1
    assert batches.pin(client, "q", 1, "digits", 2) == 2
    assert batches.pin(client, "other", 0, "digits", 2) == 2
    batches.finish(client, "q", 0, rows=10, dead=1, milliseconds=25)
    assert batches.pin(client, "q", 0, "digits", 2) == 1
    (row,) = client.scan(STREAM_BATCHES, where={"query": "q", "batch_id": 0})
    assert (row["state"], row["rows"], row["dead"], row["milliseconds"]) == ("done", 10, 1, 25)


def test_digest_knows_rows_not_order_nor_time(client: RowClient) -> None:
    for table in CATALOGUE:
        client.ensure(table)
    empty = collection_digest(client, "a")
    now = datetime.now(timezone.utc)
    rows = [_annotation("a", i, now) for i in range(20)]
    client.write(ANNOTATIONS, rows)
    first = collection_digest(client, "a")
    assert first != empty
    later = [{**row, "annotated_at": now + timedelta(days=1)} for row in reversed(rows)]
    client.write(ANNOTATIONS, later)
    client.write(ANNOTATIONS, [_annotation("b", 1, now)])
    assert collection_digest(client, "a") == first
    client.write(ANNOTATIONS, [{**rows[3], "class": "other"}])
    assert collection_digest(client, "a") != first


def test_digest_of_any_table(client: RowClient) -> None:
    client.ensure(PLAIN)
    client.write(PLAIN, plain_rows(10))
    whole, without = table_digest(client, PLAIN), table_digest(client, PLAIN, ["note"])
    client.write(PLAIN, [{"name": "row-00001", "number": 1, "note": "changed"}])
    assert table_digest(client, PLAIN) != whole
    assert table_digest(client, PLAIN, ["note"]) == without
    with pytest.raises(UnknownName, match="nite"):
        table_digest(client, PLAIN, ["nite"])


def _annotation(collection: str, number: int, at: datetime) -> dict[str, object]:
    return {
        "collection": collection,
        "image_id": f"{number:064x}",
        "source": "folder/5",
        "class": "5",
        "annotated_at": at,
    }
