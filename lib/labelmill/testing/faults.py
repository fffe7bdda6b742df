"""Faults that happen in the field, made on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from labelmill.store.client import Operation, RowClient
from labelmill.store.scans import Scan
from labelmill.store.schema.tables import MODEL_CHUNKS
from labelmill.store.schema.types import Table


def alter_chunk(client: RowClient, sha256: str, chunk: int) -> None:
    """Flips one bit of a stored model chunk, as a failing disk would; its digest column stays."""
    (row,) = client.scan(MODEL_CHUNKS, where={"sha256": sha256, "chunk": chunk})
    data = bytes(row["data"])  # type: ignore[call-overload]
    client.write(MODEL_CHUNKS, [{**row, "data": bytes([data[0] ^ 1]) + data[1:]}])


def remove_chunk(client: RowClient, sha256: str, chunk: int) -> None:
    """Deletes one stored model chunk."""
    client.write(MODEL_CHUNKS, [{"sha256": sha256, "chunk": chunk}], "delete_ignore")


class Killed(BaseException):
    """Raised where a killed process would have ended."""


class _Client:
    """Delegates everything to another client.

    Args:
        client: The other.
    """

    def __init__(self, client: RowClient) -> None:
        self._client = client

    def ensure(self, table: Table) -> None:
        """See `RowClient.ensure`."""
        self._client.ensure(table)

    def scan(
        self,
        table: Table,
        columns: Sequence[str] | None = None,
        where: Mapping[str, object] | None = None,
        snapshot_ms: int | None = None,
        token: bytes | None = None,
    ) -> Scan:
        """See `RowClient.scan`."""
        return self._client.scan(table, columns, where, snapshot_ms, token)

    def write(
        self, table: Table, rows: Iterable[Mapping[str, object]], operation: Operation = "upsert"
    ) -> int:
        """See `RowClient.write`."""
        return self._client.write(table, rows, operation)

    def names(self) -> list[str]:
        """See `RowClient.names`."""
        return self._client.names()

    def drop(self, table: Table) -> None:
        """See `RowClient.drop`."""
        self._client.drop(table)

    def close(self) -> None:
        """See `RowClient.close`."""
        self._client.close()


class DyingClient(_Client):
    """A client that dies before the first write to one table.

    Args:
        client: Does the rest.
        table: The write that never happens.
    """

    def __init__(self, client: RowClient, table: Table) -> None:
        super().__init__(client)
        self._table = table

    def write(
        self, table: Table, rows: Iterable[Mapping[str, object]], operation: Operation = "upsert"
    ) -> int:
        """See `RowClient.write`.

        Raises:
            Killed: The write is to that table.
        """
        if table.name == self._table.name:
            raise Killed(table.name)
        return super().write(table, rows, operation)


class StallingClient(_Client):
    """A client that pauses once, between two batches of a scan.

    Args:
        client: Does the rest.
        stall: What happens there.
    """

    def __init__(self, client: RowClient, stall: Callable[[], None]) -> None:
        super().__init__(client)
        self._stalls = [stall]

    def scan(
        self,
        table: Table,
        columns: Sequence[str] | None = None,
        where: Mapping[str, object] | None = None,
        snapshot_ms: int | None = None,
        token: bytes | None = None,
    ) -> Scan:
        """See `RowClient.scan`."""
        found = super().scan(table, columns, where, snapshot_ms, token)

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in found.batches():
                yield batch
                if self._stalls:
                    self._stalls.pop()()

        return replace(found, read_batches=batches)
