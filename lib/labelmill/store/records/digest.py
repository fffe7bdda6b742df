"""Digests of rows, to compare runs: the same rows have the same digest, in any order."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

from labelmill.domain.row_digest import rows_digest
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import ANNOTATIONS, IMAGE_CHUNKS, IMAGES
from labelmill.store.schema.types import Table

CATALOGUE = (IMAGES, IMAGE_CHUNKS, ANNOTATIONS)
"""Tables that hold a collection's images and their truth."""


_FILE_COLUMNS = ("uri", "split", "attributes")


def collection_digest(client: RowClient, collection: str, snapshot_ms: int | None = None) -> str:
    """Computes the digest of a collection's images and annotations.

    Covers ids, pixels, and classes by source. Columns that depend on which of several equal files came
    first (uri, split, attributes) do not count, nor do times.

    Args:
        client: Open client.
        collection: Name; one that does not exist has the digest of no rows.
        snapshot_ms: Read at this time; ``None``: the newest rows.

    Returns:
        64 hex digits.
    """
    parts = [
        table_digest(
            client,
            table,
            [c.name for c in table.columns if c.type == "timestamp" or c.name in _FILE_COLUMNS],
            {"collection": collection},
            snapshot_ms,
        )
        for table in CATALOGUE
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def table_digest(
    client: RowClient,
    table: Table,
    leave_out: Collection[str] | None = None,
    where: Mapping[str, object] | None = None,
    snapshot_ms: int | None = None,
) -> str:
    """Computes the digest of a table's rows.

    Args:
        client: Open client.
        table: Declared table.
        leave_out: Columns that do not count; ``None``: every ``timestamp``, since two runs write
            the same rows at other times.
        where: Only these rows; see `RowClient.scan`.
        snapshot_ms: Read at this time; ``None``: the newest rows.

    Returns:
        64 hex digits.

    Raises:
        UnknownName: ``leave_out`` names a column that the table does not have.
    """
    out = {table.column(name).name for name in leave_out or ()}
    if leave_out is None:
        out = {column.name for column in table.columns if column.type == "timestamp"}
    names = [column.name for column in table.columns if column.name not in out]
    rows = client.scan(table, names, where, snapshot_ms)
    return rows_digest([row[name] for name in names] for row in rows)
