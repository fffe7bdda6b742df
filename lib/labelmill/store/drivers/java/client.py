"""Rows through Kudu's Java client, in this process (jpype)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

from labelmill.settings import Settings
from labelmill.store.client import Operation, Rows
from labelmill.store.drivers.base import BaseClient
from labelmill.store.drivers.jars import kudu_jar
from labelmill.store.drivers.java import cells, columns, compile, create, jvm, scan, write
from labelmill.store.drivers.java.errors import kudu_errors
from labelmill.store.drivers.schema_check import Described
from labelmill.store.scans import Request
from labelmill.store.schema.columns import checked, checked_batch, is_batch
from labelmill.store.schema.types import Table

if TYPE_CHECKING:
    import pyarrow as pa


class JavaClient(BaseClient):
    """`labelmill.store.client.RowClient` over Kudu's Java client.

    Args:
        settings: Masters, prefix, replicas, buckets, jar and timeout.

    Raises:
        StoreUnreachable: No master answered within ``settings.timeout_seconds``.
        StoreError: No jar or no Java is found.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
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

    def _errors(self, doing: str) -> AbstractContextManager[None]:
        return kudu_errors(doing, self._masters, self._settings.timeout_seconds)

    def _exists(self, client: Any, name: str) -> bool:
        return bool(client.tableExists(name))

    def _server_count(self, client: Any) -> int:
        return int(client.listTabletServers().getTabletServersCount())

    def _create(self, client: Any, table: Table, name: str, replicas: int) -> None:
        create.create(client, table, name, self._settings.buckets, replicas)

    def _open_table(self, client: Any, name: str) -> Any:
        return client.openTable(name)

    def _describe(self, handle: Any) -> list[Described]:
        return create.describe(handle)

    def _list_names(self, client: Any, prefix: str) -> list[str]:
        return [str(name) for name in client.getTablesList(prefix).getTablesList()]

    def _delete(self, client: Any, name: str) -> None:
        client.deleteTable(name)

    def _disconnect(self, client: Any) -> None:
        client.close()

    def _plan(self, request: Request) -> list[bytes]:
        client, handle = self._open_client(request.table), self._handle(request.table)
        return scan.tokens(client, handle, request, self._milliseconds)

    def _batches(self, request: Request) -> Iterator[Any]:
        client, handle = self._open_client(request.table), partial(self._handle, request.table)
        return scan.batches(scan.scanner(client, handle, request, self._milliseconds))

    def _dicts(self, request: Request, batch: Any) -> Iterator[dict[str, object]]:
        return cells.dicts(request, batch)

    def _arrow(self, request: Request, batch: Any) -> Iterator[pa.RecordBatch]:
        return cells.arrow(request, batch)

    def _checked(self, table: Table, rows: Rows, keys_only: bool) -> Any:
        # Columns go as they are where our Java can be compiled, else row by row.
        if is_batch(rows) and compile.compiled("ColumnWriter") is not None:
            return checked_batch(table, rows, keys_only)
        return checked(table, rows, keys_only)

    def _send(self, handle: Any, table: Table, ready: Any, operation: Operation) -> int:
        if is_batch(ready):
            writer = compile.compiled("ColumnWriter")
            return columns.write(writer, handle, table, ready, operation, self._milliseconds)
        client = self._open_client(table)
        return write.write(client, handle, table, ready, operation, self._milliseconds)
