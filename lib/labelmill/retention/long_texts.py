"""Long texts whose rows are gone: of rows that leave, and of what was killed before it wrote its row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from labelmill.store.client import RowClient
from labelmill.store.records import texts
from labelmill.store.schema.tables import TEXT_PARTS
from labelmill.store.schema.types import Table

Row = dict[str, object]

WRITTEN_WITHIN = timedelta(hours=1)
"""Texts, and chunks of artifacts, are written before the rows that refer to them. What no row refers to
after so long, no row will."""

_AT_ONCE = 100


def unreferenced_texts(client: RowClient, now: datetime) -> list[str]:
    """SHA-256 (hex) of texts that were there `WRITTEN_WITHIN` ago and that no row refers to, sorted."""
    client.ensure(TEXT_PARTS)
    then = round((now - WRITTEN_WITHIN).timestamp() * 1000)
    # By any part: a prune that was killed may have left some, in any order.
    stored = {str(row["sha256"]) for row in client.scan(TEXT_PARTS, ["sha256"], None, then)}
    return sorted(stored - texts.referenced(client)) if stored else []


def remove_texts(client: RowClient, left: Sequence[str]) -> int:
    """Removes texts, unless a row refers to one by now; returns how many."""
    removed = 0
    for start in range(0, len(left), _AT_ONCE):
        some = list(left[start : start + _AT_ONCE])
        parts = take(client, TEXT_PARTS, {"sha256": some})
        written = texts.referenced(client).intersection(some)
        # A row with an equal text was written in between.
        client.write(TEXT_PARTS, [row for row in parts if row["sha256"] in written])
        removed += len(some) - len(written)
    return removed


def take(client: RowClient, table: Table, where: Row) -> list[Row]:
    """Removes rows and returns them."""
    rows = list(client.scan(table, where=where))
    if rows:
        keys = [{name: row[name] for name in table.key} for row in rows]
        client.write(table, keys, "delete_ignore")
    return rows
