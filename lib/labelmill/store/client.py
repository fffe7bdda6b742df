"""Rows in and out of Kudu: the protocol that every driver implements.

Six methods. Rows are dicts, or Arrow columns where there are many.
``labelmill.testing.store_contract.StoreContract`` tests what a driver must do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from labelmill.store.scans import Scan
from labelmill.store.schema.types import Table

if TYPE_CHECKING:
    import pyarrow as pa

Rows: TypeAlias = "Iterable[Mapping[str, object]] | pa.RecordBatch | pa.Table"
"""Rows to write: dicts, or Arrow columns (types: see `labelmill.store.schema.columns.checked_batch`)."""

Operation = Literal["upsert", "insert", "insert_ignore", "delete_ignore"]
"""What a write does with a row whose key exists: replace, refuse, keep, or delete it."""


class RowClient(Protocol):
    """Reads and writes rows of declared tables. Safe to share between threads, not across a fork."""

    def ensure(self, table: Table) -> None:
        """Creates the table if it does not exist, and checks it against its declaration.

        Two processes may create it at once. The schema version goes to ``schema_versions``.

        Raises:
            SchemaMismatch: The table has another version or other columns.
            StoreUnreachable: No master answered in time.
        """
        ...

    def scan(
        self,
        table: Table,
        columns: Sequence[str] | None = None,
        where: Mapping[str, object] | None = None,
        snapshot_ms: int | None = None,
        token: bytes | None = None,
    ) -> Scan:
        """Reads rows, in no particular order. Read them to the end soon: an idle scanner lives 60 s.

        Args:
            table: Declared table.
            columns: Columns to read; all when ``None``; empty: one empty dict per row, to count.
            where: Column → value it equals; a list, tuple or set means any of its values, a
                `Between` a range, ``None`` null. All must hold.
            snapshot_ms: Milliseconds since 1970 UTC to read at, the same rows each time; each
                tablet's newest rows when ``None``.
            token: One of `Scan.tokens` of a scan of the same table and columns: reads only its rows.
                Replaces `where` and `snapshot_ms`, which it carries.

        Returns:
            Rows as dicts: ``string`` → str, ``binary`` → bytes, ``timestamp`` → aware UTC
            datetime, integers → int, ``float``/``double`` → float, ``bool`` → bool, null → None.
            `Scan.batches` returns the same as Arrow columns, `Scan.tokens` cuts it into pieces.

        Raises:
            UnknownName: A column that the table does not have.
            InputError: A value in ``where`` of another type than the column's; bytes that are not
                a token, or a token of another table or of other columns.
            ScannerExpired: Nothing was read for 60 s.
            StoreError: The table does not exist.
            StoreUnreachable: Kudu did not answer in time.
        """
        ...

    def write(self, table: Table, rows: Rows, operation: Operation = "upsert") -> int:
        """Writes rows. All are checked before the first is sent; the write is not atomic.

        A nullable column that a row leaves out is null in a new row and untouched in an existing
        one. ``delete_ignore`` needs the key columns only. A ``pyarrow.RecordBatch`` or ``Table``
        holds the rows as columns, and is many times faster than dicts.

        Returns:
            Number of rows acknowledged; ``*_ignore`` acknowledges ignored ones too.

        Raises:
            InputError: A column that is unknown, missing, of a wrong type or above Kudu's cell
                limit; the message names the column and the row.
            RowsRefused: Kudu refused rows; the message shows up to five with Kudu's status.
            StoreUnreachable: Kudu did not answer in time.
        """
        ...

    def names(self) -> list[str]:
        """Returns the full names of the Kudu tables with this installation's prefix, sorted."""
        ...

    def drop(self, table: Table) -> None:
        """Deletes the table, if it exists, and its version row."""
        ...

    def close(self) -> None:
        """Ends the connection; a second call does nothing."""
        ...
