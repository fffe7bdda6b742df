"""Rows through kudu-python (the C++ client): 5 to 10 times the Java route, where it is installed.

It never releases the GIL, so a call blocks the other threads of the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from threading import Lock
from typing import Any

from labelmill.errors import StoreError
from labelmill.settings import Settings
from labelmill.store.client import Operation, Rows
from labelmill.store.drivers import schema_check as versions
from labelmill.store.drivers.native import (
    create as native_create,
)
from labelmill.store.drivers.native import (
    scan as native_scan,
)
from labelmill.store.drivers.native import (
    write as native_write,
)
from labelmill.store.drivers.native.errors import kudu_errors
from labelmill.store.scans import Request, Scan, nothing, request_of
from labelmill.store.schema.columns import checked
from labelmill.store.schema.tables import SCHEMA_VERSIONS
from labelmill.store.schema.types import Table

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
        token: bytes | None = None,
    ) -> Scan:
        """See `RowClient.scan`."""
        request = request_of(table, columns, where, snapshot_ms, token)
        if request is None:
            return nothing()
        return Scan(
            partial(self._read, request, native_scan.dicts),
            partial(self._read, request, native_scan.arrow),
            partial(self._tokens, request),
        )

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

    def _read(
        self, request: Request, shaped: Callable[[Request, Any], Iterable[Any]]
    ) -> Iterator[Any]:
        with self._errors(f"scanning table {self._full(request.table)}"):
            for token in self._cut(request):
                for batch in native_scan.batches(self._open_client(), token, request):
                    yield from shaped(request, batch)

    def _tokens(self, request: Request) -> list[bytes]:
        with self._errors(f"planning a scan of table {self._full(request.table)}"):
            return self._cut(request)

    def _cut(self, request: Request) -> list[bytes]:
        if request.token is not None:
            return [request.token]
        return native_scan.tokens(self._handle(request.table), request, self._milliseconds)

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
