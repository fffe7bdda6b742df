"""Checks rows against a table's declaration before any of them is sent."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone
from numbers import Real

from labelmill.errors import InputError, UnknownName
from labelmill.store.schema.types import Column, Table, Type

CELL_LIMIT = 65_536
"""Kudu's largest cell in bytes; 65,537 are refused by the server."""

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_INTEGER_BITS: dict[Type, int] = {"int8": 8, "int32": 32, "int64": 64}


def micros_of(moment: datetime) -> int:
    """Returns the microseconds since 1970 UTC of an aware datetime."""
    return (moment - EPOCH) // _MICROSECOND


def moment_of(micros: int) -> datetime:
    """Returns the aware UTC datetime of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros)


def checked_rows(
    table: Table, rows: Iterable[Mapping[str, object]], keys_only: bool = False
) -> list[dict[str, object]]:
    """Checks rows; returns their values as drivers send them (``timestamp`` → int microseconds).

    Args:
        table: Declared table.
        rows: Rows; nullable columns may be left out.
        keys_only: Keep the key columns only (deletes).

    Raises:
        UnknownName: A column that the table does not have.
        InputError: A column missing, of a wrong type, out of range or above `CELL_LIMIT`.
    """
    columns = {c.name: (c, _CHECKS[c.type]) for c in table.columns}
    required = table.key if keys_only else tuple(c.name for c in table.columns if not c.nullable)
    ready = []
    for number, row in enumerate(rows):
        new: dict[str, object] = {}
        try:
            for name, value in row.items():
                column, check = columns[name]
                if value is None:
                    if not column.nullable:
                        raise InputError("null, but the column may not be null")
                elif keys_only and not column.key:
                    continue
                else:
                    value = check(column, value)
                new[name] = value
        except KeyError:
            raise UnknownName(f"column of {table.name}", name, columns) from None
        except InputError as error:
            raise InputError(
                f"{table.name}.{name} of {row_words(table, row, number)}: {error}"
            ) from None
        for name in required:
            if name not in new:
                raise InputError(
                    f"{table.name}.{name} is missing in {row_words(table, row, number)}; "
                    f"a row needs {', '.join(required)}"
                )
        ready.append(new)
    return ready


def checked_value(table: Table, name: str, value: object) -> object:
    """Checks one value of ``where``; returns it as drivers send it.

    Raises:
        UnknownName: No such column.
        InputError: A value of another type.
    """
    column = table.column(name)
    try:
        return _CHECKS[column.type](column, value)
    except InputError as error:
        raise InputError(f"where {table.name}.{name}: {error}") from None


def checked_columns(table: Table, columns: Iterable[str] | None) -> tuple[Column, ...]:
    """Returns the columns that a scan reads; ``None``: all.

    Raises:
        UnknownName: A column that the table does not have.
    """
    return table.columns if columns is None else tuple(table.column(name) for name in columns)


def over_limit(size: int) -> str:
    """The message for a cell of this many bytes, more than `CELL_LIMIT`."""
    return (
        f"{size} bytes do not fit a Kudu cell, the limit is {CELL_LIMIT} bytes; "
        "store them as rows of 32 KiB in a chunk table"
    )


def row_words(table: Table, row: Mapping[str, object], number: int) -> str:
    """Names a row in an error message: its number and its key."""
    key = ", ".join(f"{name}={row.get(name)!r}" for name in table.key)
    return f"row {number} ({key})"


def _string(column: Column, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(column, value, "str")
    if value.isascii():
        size = len(value)
    else:
        try:
            size = len(value.encode())
        except UnicodeEncodeError as error:
            raise InputError(f"text that cannot be encoded as UTF-8: {error}") from None
    _fits(size)
    return value


def _binary(column: Column, value: object) -> bytes:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise _wrong(column, value, "bytes")
    value = bytes(value)
    _fits(len(value))
    return value


def _fits(size: int) -> None:
    if size > CELL_LIMIT:
        raise InputError(over_limit(size))


def _integer(column: Column, value: object) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise _wrong(column, value, "int")
    number = operator.index(value)
    bound = 1 << (_INTEGER_BITS[column.type] - 1)
    if not -bound <= number < bound:
        raise InputError(f"{number} is outside {column.type} ({-bound} to {bound - 1})")
    return number


def _real(column: Column, value: object) -> float:
    if type(value) is float:
        return value
    if isinstance(value, bool) or not isinstance(value, Real):
        raise _wrong(column, value, "float")
    return float(value)


def _bool(column: Column, value: object) -> bool:
    # numpy's boolean is not a bool, and this module does not import numpy.
    if not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"):
        raise _wrong(column, value, "bool")
    return bool(value)


def _timestamp(column: Column, value: object) -> int:
    if not isinstance(value, datetime):
        raise _wrong(column, value, "datetime with a time zone")
    if value.utcoffset() is None:
        raise InputError(
            f"{value!r} has no time zone; use datetime.now(timezone.utc) or .replace(tzinfo=…)"
        )
    return micros_of(value)


def _wrong(column: Column, value: object, expected: str) -> InputError:
    return InputError(
        f"expected {expected} ({column.type}), received {type(value).__name__} {str(value)[:80]!r}"
    )


_CHECKS: dict[Type, Callable[[Column, object], object]] = {
    "string": _string,
    "binary": _binary,
    "int8": _integer,
    "int32": _integer,
    "int64": _integer,
    "float": _real,
    "double": _real,
    "bool": _bool,
    "timestamp": _timestamp,
}
