"""Requests and results of scans: rows as dicts or Arrow columns, read here or by tokens elsewhere."""

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
    """A checked request to a driver.

    Attributes:
        table: Declared table.
        columns: Columns to read, in order.
        conditions: All must hold.
        snapshot_ms: See `RowClient.scan`.
        token: Replaces conditions and snapshot.
    """

    table: Table
    columns: tuple[Column, ...]
    conditions: tuple[Condition, ...]
    snapshot_ms: int | None
    token: bytes | None

    def check_token(self, found: Sequence[str]) -> None:
        """Checks that the token reads the requested columns.

        Args:
            found: Names of the columns that it reads.

        Raises:
            InputError: It reads others.
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
    """Checks the arguments of `RowClient.scan`; ``None`` when no row can match.

    Raises:
        UnknownName: A column that the table does not have.
        InputError: A value of another type than its column's; a token beside what it carries.
    """
    selected, conditions = checked_columns(table, columns), conditions_of(table, where or {})
    if token is not None and (where or snapshot_ms is not None):
        raise InputError(
            "a scan token carries its own where and snapshot; give either the token or those"
        )
    if conditions is None:
        return None
    return Request(table, selected, tuple(conditions), snapshot_ms, token)


@dataclass
class Scan(Iterator[dict[str, object]]):
    """A scan that has not started; iterate over its rows once, or read its batches or its tokens.

    Read to the end soon: Kudu closes a scanner that is idle for 60 s (`ScannerExpired`).

    Args:
        read_rows: Starts to read rows.
        read_batches: Starts to read columns.
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
        """Reads the rows as Arrow columns, without a Python object per cell.

        Types are those of `labelmill.store.schema.columns.schema_of`; a batch holds about 8 MiB, may be
        a view of Kudu's answer, and is never empty.

        Raises:
            ScannerExpired: Nothing was read for 60 s.
            StoreError: The table does not exist.
            StoreUnreachable: Kudu did not answer in time.
        """
        return self.read_batches()

    def tokens(self) -> list[bytes]:
        """Cuts the scan into tokens, one per tablet: each row is in exactly one.

        ``RowClient.scan(table, columns, token=…)`` reads one, in any process, with any driver.
        With a ``snapshot_ms`` a token gives the same rows each time.

        Raises:
            StoreError: The table does not exist.
            StoreUnreachable: Kudu did not answer in time.
        """
        return self.cut()


def nothing() -> Scan:
    """A scan that finds no rows."""
    return Scan(lambda: iter(()), lambda: iter(()), list)
