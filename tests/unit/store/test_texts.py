"""Texts of any length in cells of 64 KiB."""

from __future__ import annotations

import json

import pytest

from labelmill.errors import StoreError
from labelmill.store.records import texts
from labelmill.store.schema.rows import checked_rows
from labelmill.store.schema.tables import CHUNK_BYTES, SWEEPS, TABLES, TEXT_PARTS
from tests.helpers.memory_client import memory_client


@pytest.mark.parametrize(
    "text",
    ["", "short", "x" * CHUNK_BYTES, "x" * (CHUNK_BYTES + 1), "é" * CHUNK_BYTES, "x" + "語𝄞" * 40_000],
)  # fmt: skip
def test_a_text_comes_back_whole(text: str) -> None:
    client = memory_client()
    for _ in range(2):
        texts.write(client, SWEEPS, [{"sweep_id": "s", "plan": text}])
    (row,) = texts.read(client, SWEEPS, ["sweep_id", "plan"])
    assert row == {"sweep_id": "s", "plan": text}
    parts = list(client.scan(TEXT_PARTS))
    checked_rows(TEXT_PARTS, parts)
    assert len(parts) == (0 if len(text.encode()) <= CHUNK_BYTES else -(-len(text.encode()) // CHUNK_BYTES)) or (
        "語" in text and len(parts) >= 8
    )  # fmt: skip
    (cell,) = client.scan(SWEEPS, ["plan"])
    assert len(str(cell["plan"]).encode()) <= CHUNK_BYTES


def test_a_text_that_looks_like_a_reference_is_a_text() -> None:
    client = memory_client()
    texts.write(client, SWEEPS, [{"sweep_id": "a", "plan": "x" * 40_000}])
    (cell,) = client.scan(SWEEPS, ["plan"])
    texts.write(client, SWEEPS, [{"sweep_id": "b", "plan": cell["plan"]}])
    found = {row["sweep_id"]: row["plan"] for row in texts.read(client, SWEEPS)}
    assert found == {"a": "x" * 40_000, "b": cell["plan"]}


def test_many_rows_and_columns_that_are_not_long() -> None:
    client = memory_client()
    rows = [{"sweep_id": str(n), "plan": f"{n} " * 20_000, "name": "x" * 40_000} for n in range(70)]
    texts.write(client, SWEEPS, rows)
    assert list(texts.read(client, SWEEPS, ["sweep_id", "plan", "name"])) == rows
    assert len({str(row["sha256"]) for row in client.scan(TEXT_PARTS)}) == 70, "names are in cells"


def test_a_part_that_is_missing_or_altered_is_found() -> None:
    client = memory_client()
    texts.write(client, SWEEPS, [{"sweep_id": "s", "plan": "x" * 100_000}])
    parts = list(client.scan(TEXT_PARTS))
    client.write(TEXT_PARTS, [{**parts[1], "text": "y"}])
    with pytest.raises(StoreError, match="4 of 4 parts are stored, and together"):
        list(texts.read(client, SWEEPS))
    client.write(TEXT_PARTS, [parts[1]], "delete_ignore")
    with pytest.raises(StoreError, match=r"damaged: 3 of 4 parts.*Run the job"):
        list(texts.read(client, SWEEPS))


def test_long_columns_are_texts() -> None:
    long = [c for t in TABLES.values() for c in t.columns if c.long]
    assert {c.type for c in long} == {"string"}
    assert not any(c.key for c in long)
    assert json.loads('{"text_parts": "x"}')
