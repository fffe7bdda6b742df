"""Rows read through Kudu's Java client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jpype

from labelmill.store.conditions import Condition
from labelmill.store.drivers import java_rows, java_source
from labelmill.store.drivers.jvm import java
from labelmill.store.rows import moment_of
from labelmill.store.tables import Column, Type

BATCH_BYTES = 8 << 20
"""Bytes of one scanner batch; Kudu's default of 1 MiB is slower."""


def scan(
    client: Any,
    handle: Any,
    columns: Sequence[Column],
    conditions: Sequence[Condition],
    snapshot_ms: int | None,
    timeout_ms: int,
) -> Iterator[dict[str, object]]:
    """Rows of one scanner, closed when the caller stops early."""
    builder = client.newScannerBuilder(handle)
    schema = handle.getSchema()
    names = java("java.util.ArrayList")()
    for column in columns:
        names.add(column.name)
    builder.setProjectedColumnNames(names)
    builder.batchSizeBytes(BATCH_BYTES)
    builder.scanRequestTimeout(timeout_ms)
    for condition in conditions:
        builder.addPredicate(_predicate(schema, condition))
    if snapshot_ms is not None:
        builder.readMode(java("org.apache.kudu.client.AsyncKuduScanner$ReadMode").READ_AT_SNAPSHOT)
        builder.snapshotTimestampMicros(snapshot_ms * 1000)
    scanner = builder.build()
    try:
        while scanner.hasMoreRows():
            batch = scanner.nextRows()
            if not columns:
                yield from ({} for _ in range(batch.getNumRows()))
                continue
            reader = None
            if batch.getNumRows() * len(columns) >= java_rows.MANY:
                reader = java_source.compiled("ColumnReader")
            if reader is not None:
                yield from java_rows.rows(reader, batch, columns)
            else:
                yield from _batch(batch, columns)
    finally:
        scanner.close()


def _batch(rows: Any, columns: Sequence[Column]) -> Iterator[dict[str, object]]:
    readers = [(c.name, i, _READERS[c.type], c.nullable) for i, c in enumerate(columns)]
    for _ in range(rows.getNumRows()):
        row = rows.next()
        yield {
            name: None if nullable and row.isNull(i) else read(row, i)
            for name, i, read, nullable in readers
        }


def _predicate(schema: Any, condition: Condition) -> Any:
    name, kind, values = condition
    predicate = java("org.apache.kudu.client.KuduPredicate")
    column = schema.getColumn(name)
    if values is None:
        return predicate.newIsNullPredicate(column)
    boxed = java("java.util.ArrayList")()
    for value in values:
        boxed.add(_BOXES[kind](value))
    return predicate.newInListPredicate(column, boxed)


def _box(name: str) -> Callable[[object], Any]:
    return lambda value: java(name)(value)


_BOXES: dict[Type, Callable[[Any], Any]] = {
    "string": lambda value: jpype.JString(value),
    "binary": lambda value: jpype.JArray(jpype.JByte)(value),
    "int8": _box("java.lang.Byte"),
    "int32": _box("java.lang.Integer"),
    "int64": _box("java.lang.Long"),
    "timestamp": _box("java.lang.Long"),
    "float": _box("java.lang.Float"),
    "double": _box("java.lang.Double"),
    "bool": _box("java.lang.Boolean"),
}

# jpype answers with its own subclasses of int and float, which nothing else can pickle.
_READERS: dict[Type, Callable[[Any, int], object]] = {
    "string": lambda row, i: str(row.getString(i)),
    "binary": lambda row, i: bytes(row.getBinaryCopy(i)),
    "int8": lambda row, i: int(row.getByte(i)),
    "int32": lambda row, i: int(row.getInt(i)),
    "int64": lambda row, i: int(row.getLong(i)),
    "timestamp": lambda row, i: moment_of(row.getLong(i)),
    "float": lambda row, i: float(row.getFloat(i)),
    "double": lambda row, i: float(row.getDouble(i)),
    "bool": lambda row, i: bool(row.getBoolean(i)),
}
