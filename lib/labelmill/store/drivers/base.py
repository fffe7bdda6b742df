"""What all row drivers share: checks, names, handles, versions; a driver adds its calls of Kudu."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from threading import Lock
from typing import Any

from labelmill.errors import StoreError
from labelmill.settings import Settings
from labelmill.store.client import Operation, Rows
from labelmill.store.drivers.schema_check import Described, check_columns, check_version
from labelmill.store.scans import Request, Scan, nothing, request_of
from labelmill.store.schema.columns import checked
from labelmill.store.schema.tables import SCHEMA_VERSIONS
from labelmill.store.schema.types import Table


class BaseClient(ABC):
    """`labelmill.store.client.RowClient`, less the calls of one of Kudu's clients.

    A driver connects in its ``__init__`` and sets ``_client``. Its private methods run inside
    `_errors`, so they may raise whatever its client raises.

    Args:
        settings: Masters, prefix, replicas, buckets and timeout.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._masters = settings.masters()
        self._milliseconds = max(1, round(settings.timeout_seconds * 1000))
        self._client: Any = None
        self._handles: dict[str, Any] = {}
        self._ensured: set[tuple[str, int]] = set()
        self._lock = Lock()

    def ensure(self, table: Table) -> None:
        """See `RowClient.ensure`."""
        mark = (table.name, hash(table))
        if mark in self._ensured:
            return
        name, client = self._full(table), self._open_client(table)
        with self._errors(f"opening table {name}"):
            if not self._exists(client, name):
                replicas = self._settings.replicas or replicas_for(self._server_count(client))
                self._create(client, table, name, replicas)
        self._forget_handle(table)
        check_version(self, table, name)
        check_columns(table, name, self._describe(self._handle(table)))
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
            partial(self._read, request, self._dicts),
            partial(self._read, request, self._arrow),
            partial(self._tokens, request),
        )

    def write(self, table: Table, rows: Rows, operation: Operation = "upsert") -> int:
        """See `RowClient.write`."""
        ready = self._checked(table, rows, operation == "delete_ignore")
        if not len(ready):
            return 0
        handle = self._handle(table)
        with self._errors(f"writing to table {self._full(table)}"):
            return self._send(handle, table, ready, operation)

    def names(self) -> list[str]:
        """See `RowClient.names`."""
        prefix, client = self._settings.table_prefix, self._open_client()
        with self._errors("listing tables"):
            found = self._list_names(client, prefix)
        # Kudu's filter matches anywhere in the name.
        return sorted(name for name in found if name.startswith(prefix))

    def drop(self, table: Table) -> None:
        """See `RowClient.drop`."""
        name, client = self._full(table), self._open_client(table)
        with self._errors(f"dropping table {name}"):
            if self._exists(client, name):
                self._delete(client, name)
            versioned = table.name != SCHEMA_VERSIONS.name and self._exists(
                client, self._full(SCHEMA_VERSIONS)
            )
        self._forget_handle(table)
        self._ensured = {mark for mark in self._ensured if mark[0] != table.name}
        if versioned:
            self.write(SCHEMA_VERSIONS, [{"table_name": table.name}], "delete_ignore")

    def close(self) -> None:
        """See `RowClient.close`."""
        client, self._client = self._client, None
        self._handles.clear()
        if client is not None:
            self._disconnect(client)

    def _read(
        self, request: Request, convert: Callable[[Request, Any], Iterable[Any]]
    ) -> Iterator[Any]:
        with self._errors(f"scanning table {self._full(request.table)}"):
            for batch in self._batches(request):
                yield from convert(request, batch)

    def _tokens(self, request: Request) -> list[bytes]:
        with self._errors(f"planning a scan of table {self._full(request.table)}"):
            return self._cut(request)

    def _cut(self, request: Request) -> list[bytes]:
        """The request's token, or one for each tablet that may hold such rows."""
        return [request.token] if request.token is not None else self._plan(request)

    def _handle(self, table: Table) -> Any:
        name, client = self._full(table), self._open_client(table)
        with self._lock:
            handle = self._handles.get(table.name)
        if handle is None:
            with self._errors(f"opening table {name}"):
                handle = self._open_table(client, name)
            with self._lock:
                self._handles[table.name] = handle
        return handle

    def _forget_handle(self, table: Table) -> None:
        with self._lock:
            self._handles.pop(table.name, None)

    def _open_client(self, table: Table | None = None) -> Any:
        if self._client is None:
            what = f" to use table {self._full(table)}" if table else ""
            raise StoreError(f"this client is closed; open another one{what}")
        return self._client

    def _full(self, table: Table) -> str:
        return self._settings.table_prefix + table.name

    def _checked(self, table: Table, rows: Rows, keys_only: bool) -> Any:
        """Rows in the form that `_send` takes, checked: dicts, unless the driver takes columns."""
        return checked(table, rows, keys_only)

    @abstractmethod
    def _errors(self, doing: str) -> AbstractContextManager[None]:
        """Turns the exceptions of Kudu's client into ours; `doing` is for the message."""

    @abstractmethod
    def _exists(self, client: Any, name: str) -> bool:
        """Whether Kudu has a table of this full name."""

    @abstractmethod
    def _server_count(self, client: Any) -> int:
        """Tablet servers that are alive."""

    @abstractmethod
    def _create(self, client: Any, table: Table, name: str, replicas: int) -> None:
        """Creates the table; one that appears meanwhile is fine."""

    @abstractmethod
    def _open_table(self, client: Any, name: str) -> Any:
        """A handle of Kudu's table."""

    @abstractmethod
    def _describe(self, handle: Any) -> list[Described]:
        """The columns that Kudu has."""

    @abstractmethod
    def _list_names(self, client: Any, prefix: str) -> list[str]:
        """Full names of Kudu's tables that contain the prefix."""

    @abstractmethod
    def _delete(self, client: Any, name: str) -> None:
        """Deletes a table that exists."""

    @abstractmethod
    def _disconnect(self, client: Any) -> None:
        """Ends the connection."""

    @abstractmethod
    def _plan(self, request: Request) -> list[bytes]:
        """One scan token for each tablet that may hold such rows."""

    @abstractmethod
    def _batches(self, request: Request) -> Iterator[Any]:
        """Batches that hold rows, as Kudu's client has them."""

    @abstractmethod
    def _dicts(self, request: Request, batch: Any) -> Iterator[dict[str, object]]:
        """A batch as rows."""

    @abstractmethod
    def _arrow(self, request: Request, batch: Any) -> Iterator[Any]:
        """A batch as ``pyarrow.RecordBatch``."""

    @abstractmethod
    def _send(self, handle: Any, table: Table, ready: Any, operation: Operation) -> int:
        """Writes what `_checked` returned; returns the number of rows acknowledged."""


def replicas_for(servers: int) -> int:
    """Replicas of a new table: three as soon as three tablet servers are alive, else one."""
    return 3 if servers >= 3 else 1
