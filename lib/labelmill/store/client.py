"""Rows in and out of Kudu: the seam that every driver fills.

Six methods. Rows are dicts, or Arrow columns where there are many.
``labelmill.testing.store_contract.StoreContract`` states what a driver owes its users.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from labelmill.store.scans import Scan
from labelmill.store.schema.types import Table

if TYPE_CHECKING:
    import pyarrow as pa

Rows: TypeAlias = "Iterable[Mapping[str, object]] | pa.RecordBatch | pa.Table"
"""Rows to write: dicts, or columns (`labelmill.store.schema.columns.checked_batch` says which)."""

Operation = Literal["upsert", "insert", "insert_ignore", "delete_ignore"]
"""What a write does with a row whose key exists: replace, refuse, leave, or delete it."""


class RowClient(Protocol):
    """Rows of declared tables. Safe to share between threads; not across a fork."""

    def ensure(self, table: Table) -> None:
        """Creates the table when absent and checks it against its declaration.

        Two creators at once are fine. The schema version goes to ``schema_versions``.

        Raises:
            SchemaMismatch: It exists with another version or other columns.
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
        """Reads rows, in no promised order. Read them to the end soon: a scanner lives 60 s.

        Args:
            table: Declared table.
            columns: Columns to read; all when ``None``; empty: a dict without keys a row, to count.
            where: Column → value it equals; a list, tuple or set means any of its values, a
                `Between` those of a range, ``None`` means null. All must hold.
            snapshot_ms: Milliseconds since 1970 UTC to read at, the same rows each time; the
                newest of each tablet when ``None``.
            token: One of `Scan.tokens` of a scan of the same table and columns, instead of `where`
                and `snapshot_ms`, which it carries: only its rows.

        Returns:
            Rows as dicts: ``string`` → str, ``binary`` → bytes, ``timestamp`` → aware UTC
            datetime, integers → int, ``float``/``double`` → float, ``bool`` → bool, null → None.
            `Scan.batches` gives the same as Arrow columns, `Scan.tokens` cuts it in pieces.

        Raises:
            UnknownName: A column that the table does not have.
            InputError: A value in ``where`` of another type than the column's; bytes that are no
                token, or one of another table or of other columns.
            ScannerExpired: Nothing was read for 60 s.
            StoreError: The table is not there.
            StoreUnreachable: Kudu did not answer in time.
        """
        ...

    def write(self, table: Table, rows: Rows, operation: Operation = "upsert") -> int:
        """Writes rows. All of them are checked before the first is sent; there is no atomicity.

        A nullable column that a row leaves out is null in a new row and untouched in an existing
        one. ``delete_ignore`` needs the key columns only. A ``pyarrow.RecordBatch`` or ``Table``
        means the rows its columns spell, and is many times faster than dicts.

        Returns:
            Rows acknowledged (``*_ignore`` acknowledges the ignored ones too).

        Raises:
            InputError: A column that is unknown, missing, of a wrong type or above Kudu's cell
                limit; names the column and the row.
            RowsRefused: Kudu refused rows; shows up to five with Kudu's status.
            StoreUnreachable: Kudu did not answer in time.
        """
        ...

    def names(self) -> list[str]:
        """Full names of the Kudu tables that carry this installation's prefix, sorted."""
        ...

    def drop(self, table: Table) -> None:
        """Deletes the table and its version row; a table that is not there is fine."""
        ...

    def close(self) -> None:
        """Ends the connection; a second call is fine."""
        ...
