"""Rows through kudu-python (the C++ client): 5 to 10 times the Java route, where it is installed.

It never releases the GIL, so a call blocks the other threads of the process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from labelmill.settings import Settings
from labelmill.store.client import Operation
from labelmill.store.drivers.base import BaseClient
from labelmill.store.drivers.native import create, scan, write
from labelmill.store.drivers.native.errors import kudu_errors
from labelmill.store.drivers.schema_check import Described
from labelmill.store.scans import Request
from labelmill.store.schema.types import Table

if TYPE_CHECKING:
    import pyarrow as pa

DEFAULT_PORT = 7051


def missing() -> str:
    """Why kudu-python cannot be used; empty when it can."""
    try:
        import kudu
    except ImportError as error:
        return str(error)
    return "" if hasattr(kudu, "connect") else "the module `kudu` that is installed is another one"


class NativeClient(BaseClient):
    """`labelmill.store.client.RowClient` over kudu-python.

    Args:
        settings: Masters, prefix, replicas, buckets and timeout.

    Raises:
        StoreUnreachable: No master answered within ``settings.timeout_seconds``.
    """

    def __init__(self, settings: Settings) -> None:
        import kudu

        super().__init__(settings)
        addresses = [address.strip().partition(":") for address in self._masters.split(",")]
        with self._errors("connecting"):
            self._client = kudu.connect(
                host=[host for host, _, _ in addresses],
                port=[int(port or DEFAULT_PORT) for _, _, port in addresses],
                admin_timeout_ms=self._milliseconds,
                rpc_timeout_ms=self._milliseconds,
            )

    def _errors(self, doing: str) -> AbstractContextManager[None]:
        return kudu_errors(doing, self._masters, self._settings.timeout_seconds)

    def _exists(self, client: Any, name: str) -> bool:
        return bool(client.table_exists(name))

    def _server_count(self, client: Any) -> int:
        return len(client.list_tablet_servers())

    def _create(self, client: Any, table: Table, name: str, replicas: int) -> None:
        create.create(client, table, name, self._settings.buckets, replicas)

    def _open_table(self, client: Any, name: str) -> Any:
        return client.table(name)

    def _describe(self, handle: Any) -> list[Described]:
        return create.describe(handle)

    def _list_names(self, client: Any, prefix: str) -> list[str]:
        return list(client.list_tables(prefix))

    def _delete(self, client: Any, name: str) -> None:
        client.delete_table(name)

    def _disconnect(self, client: Any) -> None:
        """Nothing: the connection ends with the last reference."""

    def _plan(self, request: Request) -> list[bytes]:
        return scan.tokens(self._handle(request.table), request, self._milliseconds)

    def _batches(self, request: Request) -> Iterator[list[tuple[Any, ...]]]:
        # By tokens always: a plain scanner has no batch size.
        for token in self._cut(request):
            yield from scan.batches(self._open_client(request.table), token, request)

    def _dicts(self, request: Request, batch: Any) -> Iterator[dict[str, object]]:
        return scan.dicts(request, batch)

    def _arrow(self, request: Request, batch: Any) -> Iterator[pa.RecordBatch]:
        return scan.arrow(request, batch)

    def _send(self, handle: Any, table: Table, ready: Any, operation: Operation) -> int:
        session = self._open_client(table).new_session(
            flush_mode="manual",
            timeout_ms=self._milliseconds,
            mutation_buffer_sz=write.BUFFER_BYTES,
        )
        return write.write(session, handle, table, ready, operation)
