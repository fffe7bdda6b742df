"""What a scan will read: rows as dicts, or Arrow columns; here, or in pieces elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labelmill.errors import InputError
from labelmill.store.schema.conditions import Condition, conditions_of
from labelmill.store.schema.rows import checked_columns
from labelmill.store.schema.types import Column, Table

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Request:
    """What a driver is asked to read, checked.

    Attributes:
        table: Declared table.
        columns: To read, in order.
        conditions: That all must hold.
        snapshot_ms: See `RowClient.scan`.
        token: Instead of conditions and snapshot.
    """

    table: Table
    columns: tuple[Column, ...]
    conditions: tuple[Condition, ...]
    snapshot_ms: int | None
    token: bytes | None

    def check_token(self, found: Sequence[str]) -> None:
        """Whether the token reads what is asked for.

        Args:
            found: Names of the columns that it reads.

        Raises:
            InputError: Others are expected.
        """
        expected = [column.name for column in self.columns]
        if list(found) != expected:
            raise InputError(
                f"the scan token reads {', '.join(found) or 'no columns'}; this scan expects "
                f"{', '.join(expected) or 'no columns'}. Give the columns that it was made for"
            )


def request_of(
    table: Table,
    columns: Sequence[str] | None,
    where: Mapping[str, object] | None,
    snapshot_ms: int | None,
    token: bytes | None,
) -> Request | None:
    """The arguments of `RowClient.scan`, checked; ``None`` when no row can be meant.

    Raises:
        UnknownName: A column that the table does not have.
        InputError: A value of another type than its column's; a token beside what it carries.
    """
    wanted, conditions = checked_columns(table, columns), conditions_of(table, where or {})
    if token is not None and (where or snapshot_ms is not None):
        raise InputError(
            "a scan token carries its own where and snapshot; give either the token or those"
        )
    if conditions is None:
        return None
    return Request(table, wanted, tuple(conditions), snapshot_ms, token)


@dataclass
class Scan(Iterator[dict[str, object]]):
    """A scan that has not begun; iterate it once, or ask for its columns or its tokens.

    Read to the end soon, whatever you read: the server forgets a scanner that is left alone for
    60 s (`ScannerExpired`).

    Args:
        read_rows: Begins to read rows.
        read_batches: Begins to read columns.
        cut: Makes the tokens.
    """

    read_rows: Callable[[], Iterator[dict[str, object]]]
    read_batches: Callable[[], Iterator[pa.RecordBatch]]
    cut: Callable[[], list[bytes]]
    _rows: Iterator[dict[str, object]] | None = field(default=None, init=False)

    def __next__(self) -> dict[str, object]:
        """The next row."""
        if self._rows is None:
            self._rows = self.read_rows()
        return next(self._rows)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as Arrow columns, no Python object for any cell.

        Types are those of `labelmill.store.schema.columns.schema_of`; a batch holds about 8 MiB, may be
        a view of what the server sent, and is never empty.

        Raises:
            ScannerExpired: Nothing was read for 60 s.
            StoreError: The table is not there.
            StoreUnreachable: Kudu did not answer in time.
        """
        return self.read_batches()

    def tokens(self) -> list[bytes]:
        """The scan in pieces, one a tablet: each row is in exactly one.

        ``RowClient.scan(table, columns, token=…)`` reads one, in any process and by any driver.
        With a ``snapshot_ms`` a token gives the same rows each time.

        Raises:
            StoreError: The table is not there.
            StoreUnreachable: Kudu did not answer in time.
        """
        return self.cut()


def nothing() -> Scan:
    """A scan that finds no rows."""
    return Scan(lambda: iter(()), lambda: iter(()), list)
