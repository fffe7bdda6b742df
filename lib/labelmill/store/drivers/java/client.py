"""Rows through Kudu's Java client, in this process (jpype)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from threading import Lock
from typing import Any

from labelmill.errors import StoreError
from labelmill.settings import Settings
from labelmill.store.client import Operation, Rows
from labelmill.store.drivers import schema_check as versions
from labelmill.store.drivers.jars import kudu_jar
from labelmill.store.drivers.java import (
    cells as java_cells,
)
from labelmill.store.drivers.java import (
    columns as java_columns,
)
from labelmill.store.drivers.java import (
    compile as java_source,
)
from labelmill.store.drivers.java import (
    create as java_create,
)
from labelmill.store.drivers.java import (
    jvm,
)
from labelmill.store.drivers.java import (
    scan as java_scan,
)
from labelmill.store.drivers.java import (
    write as java_write,
)
from labelmill.store.drivers.java.errors import kudu_errors
from labelmill.store.scans import Request, Scan, nothing, request_of
from labelmill.store.schema.columns import checked, checked_batch, is_batch
from labelmill.store.schema.tables import SCHEMA_VERSIONS
from labelmill.store.schema.types import Table


class JavaClient:
    """`labelmill.store.client.RowClient` over Kudu's Java client.

    Args:
        settings: Masters, prefix, replicas, buckets, jar and timeout.

    Raises:
        StoreUnreachable: No master answered within ``settings.timeout_seconds``.
        StoreError: No jar or no Java is found.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._masters = settings.masters()
        self._milliseconds = max(1, round(settings.timeout_seconds * 1000))
        self._handles: dict[str, Any] = {}
        self._ensured: set[tuple[str, int]] = set()
        self._lock = Lock()
        jvm.start(kudu_jar(settings))
        with self._errors("connecting"):
            self._client = (
                jvm.java("org.apache.kudu.client.KuduClient$KuduClientBuilder")(self._masters)
                .defaultAdminOperationTimeoutMs(self._milliseconds)
                .defaultOperationTimeoutMs(self._milliseconds)
                .connectionNegotiationTimeoutMs(min(self._milliseconds, 10_000))
                .build()
            )
        try:
            with self._errors("connecting"):
                self._client.listTabletServers()
        except BaseException:
            self.close()
            raise

    def ensure(self, table: Table) -> None:
        """See `RowClient.ensure`."""
        mark = (table.name, hash(table))
        if mark in self._ensured:
            return
        name, client = self._full(table), self._open_client(table)
        with self._errors(f"opening table {name}"):
            if not client.tableExists(name):
                java_create.create(client, self._settings, table, name)
        with self._lock:
            self._handles.pop(table.name, None)
        versions.check_version(self, table, name)
        versions.check_columns(table, name, java_create.described(self._handle(table)))
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
            partial(self._read, request, java_cells.dicts),
            partial(self._read, request, java_cells.arrow),
            partial(self._tokens, request),
        )

    def write(self, table: Table, rows: Rows, operation: Operation = "upsert") -> int:
        """See `RowClient.write`."""
        keys_only = operation == "delete_ignore"
        writer = java_source.compiled("ColumnWriter") if is_batch(rows) else None
        if writer is not None:
            ready = checked_batch(table, rows, keys_only)
        else:
            ready = checked(table, rows, keys_only)
        if not len(ready):
            return 0
        handle = self._handle(table)
        with self._errors(f"writing to table {self._full(table)}"):
            if writer is not None:
                return java_columns.write(
                    writer, handle, table, ready, operation, self._milliseconds
                )
            return java_write.write(
                self._client, handle, table, ready, operation, self._milliseconds
            )

    def names(self) -> list[str]:
        """See `RowClient.names`."""
        prefix, client = self._settings.table_prefix, self._open_client()
        with self._errors("listing tables"):
            found = [str(name) for name in client.getTablesList(prefix).getTablesList()]
        # Kudu's filter matches anywhere in the name.
        return sorted(name for name in found if name.startswith(prefix))

    def drop(self, table: Table) -> None:
        """See `RowClient.drop`."""
        name, client = self._full(table), self._open_client(table)
        with self._errors(f"dropping table {name}"):
            if client.tableExists(name):
                client.deleteTable(name)
            versioned = table.name != SCHEMA_VERSIONS.name and client.tableExists(
                self._full(SCHEMA_VERSIONS)
            )
        with self._lock:
            self._handles.pop(table.name, None)
        self._ensured = {mark for mark in self._ensured if mark[0] != table.name}
        if versioned:
            self.write(SCHEMA_VERSIONS, [{"table_name": table.name}], "delete_ignore")

    def close(self) -> None:
        """See `RowClient.close`."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _read(
        self,
        request: Request,
        shaped: Callable[[Sequence[java_cells.Cells], int], Iterable[Any]],
    ) -> Iterator[Any]:
        with self._errors(f"scanning table {self._full(request.table)}"):
            opened = java_scan.scanner(
                self._open_client(request.table),
                partial(self._handle, request.table),
                request,
                self._milliseconds,
            )
            for batch in java_scan.batches(opened):
                cells = java_cells.cells_of(batch, request.columns)
                yield from shaped(cells, int(batch.getNumRows()))

    def _tokens(self, request: Request) -> list[bytes]:
        with self._errors(f"planning a scan of table {self._full(request.table)}"):
            return java_scan.tokens(
                self._open_client(request.table),
                partial(self._handle, request.table),
                request,
                self._milliseconds,
            )

    def _handle(self, table: Table) -> Any:
        name, client = self._full(table), self._open_client(table)
        with self._lock:
            handle = self._handles.get(table.name)
        if handle is None:
            with self._errors(f"opening table {name}"):
                handle = client.openTable(name)
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
