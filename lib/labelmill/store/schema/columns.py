"""Checks Arrow columns against a table's declaration before any row is sent.

The same checks as `labelmill.store.schema.rows` makes of dicts, over whole columns at once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from labelmill.errors import InputError
from labelmill.store.schema.rows import CELL_LIMIT, checked_rows, over_limit, row_words
from labelmill.store.schema.types import Column, Table, Type

if TYPE_CHECKING:
    import pyarrow as pa

_ARROW_TYPES: dict[Type, tuple[str, ...]] = {
    "string": ("string", "large_string"),
    "binary": ("binary", "large_binary"),
    "int8": ("int8",),
    "int32": ("int32",),
    "int64": ("int64",),
    "float": ("float",),
    "double": ("double",),
    "bool": ("bool",),
    "timestamp": ("timestamp[us]",),
}
"""Arrow types, as ``str`` shows them, that a column may have; timestamps without their time zone."""


def is_batch(rows: object) -> bool:
    """Whether rows are Arrow columns; if pyarrow is not loaded, they cannot be."""
    arrow = sys.modules.get("pyarrow")
    return arrow is not None and isinstance(rows, (arrow.RecordBatch, arrow.Table))


def checked(table: Table, rows: Any, keys_only: bool = False) -> list[dict[str, object]]:
    """Checks rows in either form and returns dicts; see `checked_batch` and `checked_rows`."""
    if is_batch(rows):
        return rows_of(checked_batch(table, rows, keys_only))
    return checked_rows(table, rows, keys_only)


def checked_batch(table: Table, batch: pa.RecordBatch | pa.Table, keys_only: bool = False) -> Any:
    """Checks columns; returns them in the table's order, in the types that drivers send.

    Args:
        table: Declared table.
        batch: Columns by name, in any order; nullable ones may be absent. Types: the declared
            one (``timestamp``: microseconds with any time zone), its ``large_`` form, and
            dictionaries of these.
        keys_only: Keep the key columns only (deletes).

    Returns:
        ``pyarrow.Table`` with dictionaries decoded; cells are copied only where necessary.

    Raises:
        UnknownName: A column that the table does not have.
        InputError: A column that is missing, duplicate, of a wrong type, null where it may not
            be, above `CELL_LIMIT`, or damaged (text that is not UTF-8).
    """
    import pyarrow as pa

    whole = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
    names = whole.schema.names
    for name in names:
        table.column(name)
        if names.count(name) > 1:
            raise InputError(f"{table.name}.{name} occurs {names.count(name)} times, expected 1")
    required = [c.name for c in table.columns if (c.key if keys_only else not c.nullable)]
    for name in required:
        if name not in names:
            row = f" in {_row_text(table, whole, 0)}" if len(whole) else ""
            raise InputError(
                f"{table.name}.{name} is missing{row}; a row needs {', '.join(required)}"
            )
    ready = {}
    for column in table.columns:
        if column.name in names and (column.key or not keys_only):
            ready[column.name] = _checked(table, whole, column)
    return pa.table(ready)


def rows_of(ready: Any) -> list[dict[str, object]]:
    """Returns checked columns as the rows that `labelmill.store.schema.rows.checked_rows` returns."""
    import pyarrow as pa

    plain = {
        name: column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
        for name, column in zip(ready.column_names, ready.columns, strict=True)
    }
    rows: list[dict[str, object]] = pa.table(plain).to_pylist()
    return rows


def _checked(table: Table, whole: Any, column: Column) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    def bad(number: int | None, error: str) -> InputError:
        where = "" if number is None else f" of {_row_text(table, whole, number)}"
        return InputError(f"{table.name}.{column.name}{where}: {error}")

    cells = whole.column(column.name)
    kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
    if pa.types.is_null(kind):
        kind = arrow_type(column.type)
    _check_type(column, kind, bad)
    try:
        # The driver would read through bad offsets, and send text that is not UTF-8.
        cells.validate(full=True)
        cells = cells.cast(kind)
    except pa.ArrowInvalid as error:
        raise bad(
            _first_invalid_text(cells), f"not a {kind} column that can be read: {error}"
        ) from None
    if cells.null_count and not column.nullable:
        first = pc.index(cells.is_null(), True).as_py()
        raise bad(first, "null, but the column may not be null")
    if column.type not in ("string", "binary"):
        return cells
    sizes = pc.binary_length(cells)
    largest = pc.max(sizes).as_py() or 0
    if largest > CELL_LIMIT:
        first = pc.index(pc.greater(sizes, CELL_LIMIT), True).as_py()
        raise bad(first, over_limit(sizes[first].as_py()))
    return cells


def _check_type(column: Column, kind: Any, bad: Any) -> None:
    import pyarrow as pa

    words = _ARROW_TYPES[column.type]
    word = str(kind)
    if column.type == "timestamp" and pa.types.is_timestamp(kind):
        word = f"timestamp[{kind.unit}]"
        if kind.tz is None:
            raise bad(
                None, f"{word} has no time zone; cast it to timestamp('us', tz='UTC') if it is UTC"
            )
    if word not in words:
        raise bad(
            None,
            f"expected a column of {' or '.join(words)} ({column.type}), received {kind}; "
            "cast it where the rows are made",
        )


def _first_invalid_text(cells: Any) -> int | None:
    import pyarrow as pa

    if not (pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)):
        return None
    try:
        # Cells may be read only if the offsets are valid.
        cells.cast(pa.binary() if pa.types.is_string(cells.type) else pa.large_binary()).validate(
            full=True
        )
    except pa.ArrowInvalid:
        return None
    return next((i for i, cell in enumerate(cells) if isinstance(_value_of(cell), bytes)), None)


def arrow_type(kind: Type) -> Any:
    """Returns the Arrow type of a declared type, as `Scan.batches` returns it and writes accept it."""
    import pyarrow as pa

    return {
        "string": pa.string(),
        "binary": pa.binary(),
        "int8": pa.int8(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "bool": pa.bool_(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }[kind]


def schema_of(columns: Iterable[Column]) -> Any:
    """Returns the Arrow schema of rows with these columns."""
    import pyarrow as pa

    return pa.schema([pa.field(c.name, arrow_type(c.type), c.nullable) for c in columns])


def _row_text(table: Table, whole: Any, number: int) -> str:
    names: Iterable[str] = whole.schema.names
    row = {name: _value_of(whole.column(name)[number]) for name in table.key if name in names}
    return row_words(table, row, number)


def _value_of(cell: Any) -> object:
    try:
        value: object = cell.as_py()
    except UnicodeDecodeError:
        value = bytes(cell.as_buffer())
    return value
