"""Rows in memory behind the row client's methods, for tests of decisions that need no server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from labelmill.errors import RowsRefused
from labelmill.store.client import Operation, RowClient
from labelmill.store.scans import Scan
from labelmill.store.schema.columns import is_batch, schema_of
from labelmill.store.schema.types import Table


class _MemoryClient:
    """What `RowClient` promises for conditions of equality, also with one of several values,
    without history; nothing more."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[tuple[object, ...], dict[str, object]]] = {}

    def ensure(self, table: Table) -> None:
        self._tables.setdefault(table.name, {})

    def scan(
        self,
        table: Table,
        columns: Sequence[str] | None = None,
        where: Mapping[str, object] | None = None,
        snapshot_ms: int | None = None,
    ) -> Scan:
        names = list(columns or [column.name for column in table.columns])

        def rows() -> Iterator[dict[str, object]]:
            for row in list(self._tables.setdefault(table.name, {}).values()):
                if all(_matches(row.get(name), value) for name, value in (where or {}).items()):
                    yield {name: row.get(name) for name in names}

        def batches() -> Iterator[Any]:
            import pyarrow as pa

            found = list(rows())
            if found:
                schema = schema_of(table.column(name) for name in names)
                yield pa.RecordBatch.from_pylist(found, schema=schema)

        return Scan(rows, batches, list)

    def write(
        self,
        table: Table,
        rows: Any,
        operation: Operation = "upsert",
    ) -> int:
        stored = self._tables.setdefault(table.name, {})
        listed = rows.to_pylist() if is_batch(rows) else list(rows)
        for row in listed:
            key = tuple(row[name] for name in table.key)
            if operation == "delete_ignore":
                stored.pop(key, None)
            elif operation == "insert" and key in stored:
                raise RowsRefused(f"{table.name} has {key} already")
            elif operation != "insert_ignore" or key not in stored:
                stored[key] = {**stored.get(key, {}), **row}
        return len(listed)


def _matches(found: object, wanted: object) -> bool:
    return found in wanted if isinstance(wanted, (list, tuple, set)) else found == wanted


def memory_client() -> RowClient:
    """A new client without rows."""
    return cast(RowClient, _MemoryClient())
