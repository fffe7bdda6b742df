"""Rows through kudu-python (the C++ client): 5 to 10 times the Java route, where it is installed.

It never releases the GIL, so a call blocks the other threads of the process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any

from labelmill.errors import StoreError
from labelmill.settings import Settings
from labelmill.store import versions
from labelmill.store.client import Operation, Rows
from labelmill.store.columnar import checked
from labelmill.store.conditions import Condition, conditions_of
from labelmill.store.drivers import native_create, native_scan, native_write
from labelmill.store.drivers.native_errors import kudu_errors
from labelmill.store.rows import checked_columns
from labelmill.store.tables import SCHEMA_VERSIONS, Column, Table

DEFAULT_PORT = 7051


def missing() -> str:
    """Why kudu-python cannot be used; empty when it can."""
    try:
        import kudu
    except ImportError as error:
        return str(error)
    return "" if hasattr(kudu, "connect") else "the module `kudu` that is installed is another one"


class NativeClient:
    """`labelmill.store.client.RowClient` over kudu-python.

    Args:
        settings: Masters, prefix, replicas, buckets and timeout.

    Raises:
        StoreUnreachable: No master answered within ``settings.timeout_seconds``.
    """

    def __init__(self, settings: Settings) -> None:
        import kudu

        self._settings = settings
        self._masters = settings.masters()
        self._milliseconds = max(1, round(settings.timeout_seconds * 1000))
        self._handles: dict[str, Any] = {}
        self._ensured: set[tuple[str, int]] = set()
        self._lock = Lock()
        addresses = [address.strip().partition(":") for address in self._masters.split(",")]
        with self._errors("connecting"):
            self._client: Any = kudu.connect(
                host=[host for host, _, _ in addresses],
                port=[int(port or DEFAULT_PORT) for _, _, port in addresses],
                admin_timeout_ms=self._milliseconds,
                rpc_timeout_ms=self._milliseconds,
            )

    def ensure(self, table: Table) -> None:
        """See `RowClient.ensure`."""
        mark = (table.name, hash(table))
        if mark in self._ensured:
            return
        name, client = self._full(table), self._open_client(table)
        with self._errors(f"opening table {name}"):
            if not client.table_exists(name):
                native_create.create(client, self._settings, table, name)
        with self._lock:
            self._handles.pop(table.name, None)
        versions.check_version(self, table, name)
        versions.check_columns(table, name, native_create.described(self._handle(table)))
        self._ensured.add(mark)

    def scan(
        self,
        table: Table,
        columns: Sequence[str] | None = None,
        where: Mapping[str, object] | None = None,
        snapshot_ms: int | None = None,
    ) -> Iterator[dict[str, object]]:
        """See `RowClient.scan`."""
        wanted = checked_columns(table, columns)
        conditions = conditions_of(table, where or {})
        if conditions is None:
            return iter(())
        return self._rows(table, wanted, conditions, snapshot_ms)

    def write(self, table: Table, rows: Rows, operation: Operation = "upsert") -> int:
        """See `RowClient.write`."""
        ready = checked(table, rows, keys_only=operation == "delete_ignore")
        if not ready:
            return 0
        handle = self._handle(table)
        with self._errors(f"writing to table {self._full(table)}"):
            session = self._client.new_session(
                flush_mode="manual",
                timeout_ms=self._milliseconds,
                mutation_buffer_sz=native_write.BUFFER_BYTES,
            )
            return native_write.write(session, handle, table, ready, operation)

    def names(self) -> list[str]:
        """See `RowClient.names`."""
        prefix, client = self._settings.table_prefix, self._open_client()
        with self._errors("listing tables"):
            return sorted(name for name in client.list_tables(prefix) if name.startswith(prefix))

    def drop(self, table: Table) -> None:
        """See `RowClient.drop`."""
        name, client = self._full(table), self._open_client(table)
        with self._errors(f"dropping table {name}"):
            if client.table_exists(name):
                client.delete_table(name)
            versioned = table.name != SCHEMA_VERSIONS.name and client.table_exists(
                self._full(SCHEMA_VERSIONS)
            )
        with self._lock:
            self._handles.pop(table.name, None)
        self._ensured = {mark for mark in self._ensured if mark[0] != table.name}
        if versioned:
            self.write(SCHEMA_VERSIONS, [{"table_name": table.name}], "delete_ignore")

    def close(self) -> None:
        """See `RowClient.close`."""
        self._handles.clear()
        self._client = None

    def _rows(
        self,
        table: Table,
        wanted: Sequence[Column],
        conditions: Sequence[Condition],
        snapshot_ms: int | None,
    ) -> Iterator[dict[str, object]]:
        with self._errors(f"scanning table {self._full(table)}"):
            yield from native_scan.scan(
                self._handle(table), wanted, conditions, snapshot_ms, self._milliseconds
            )

    def _handle(self, table: Table) -> Any:
        client = self._open_client(table)
        with self._lock:
            handle = self._handles.get(table.name)
        if handle is None:
            with self._errors(f"opening table {self._full(table)}"):
                handle = client.table(self._full(table))
            with self._lock:
                self._handles[table.name] = handle
        return handle

    def _open_client(self, table: Table | None = None) -> Any:
        if self._client is None:
            what = f" to use table {self._full(table)}" if table else ""
            raise StoreError(f"this client is closed; open another one{what}")
        return self._client

    def _full(self, table: Table) -> str:
        return self._settings.table_prefix + table.name

    def _errors(self, doing: str) -> Any:
        return kudu_errors(doing, self._masters, self._settings.timeout_seconds)
