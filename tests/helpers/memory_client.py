"""Rows in memory behind the row client's methods, for tests of decisions that need no server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from labelmill.errors import RowsRefused
from labelmill.store.client import Operation, RowClient
from labelmill.store.schema.types import Table


class _MemoryClient:
    """What `RowClient` promises for dicts and conditions of equality; nothing more."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[tuple[object, ...], dict[str, object]]] = {}

    def ensure(self, table: Table) -> None:
        self._tables.setdefault(table.name, {})

    def scan(
        self,
        table: Table,
        columns: Sequence[str] | None = None,
        where: Mapping[str, object] | None = None,
    ) -> Iterator[dict[str, object]]:
        names = columns or [column.name for column in table.columns]
        for row in list(self._tables.setdefault(table.name, {}).values()):
            if all(row.get(name) == value for name, value in (where or {}).items()):
                yield {name: row.get(name) for name in names}

    def write(
        self,
        table: Table,
        rows: Sequence[Mapping[str, object]],
        operation: Operation = "upsert",
    ) -> int:
        stored = self._tables.setdefault(table.name, {})
        for row in rows:
            key = tuple(row[name] for name in table.key)
            if operation == "delete_ignore":
                stored.pop(key, None)
            elif operation == "insert" and key in stored:
                raise RowsRefused(f"{table.name} has {key} already")
            elif operation != "insert_ignore" or key not in stored:
                stored[key] = {**stored.get(key, {}), **row}
        return len(rows)


def memory_client() -> RowClient:
    """A new client without rows."""
    return cast(RowClient, _MemoryClient())
