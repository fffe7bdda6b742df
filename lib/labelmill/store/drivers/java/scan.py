"""Rows read through Kudu's Java client."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jpype

from labelmill.errors import InputError
from labelmill.store.drivers.java.collectors import separated_collectors
from labelmill.store.drivers.java.jvm import java
from labelmill.store.scans import Request
from labelmill.store.schema.conditions import Between, Condition
from labelmill.store.schema.types import Type

BATCH_BYTES = 8 << 20
"""Bytes per scanner batch; Kudu's default of 1 MiB is slower."""


def scanner(client: Any, handle: Callable[[], Any], request: Request, timeout_ms: int) -> Any:
    """Opens a scanner of Java, over all tablets or for the request's token.

    Args:
        client: Kudu's client.
        handle: Opens Kudu's table; not called for a token.
        request: What to read.
        timeout_ms: Timeout of each batch.

    Raises:
        InputError: The bytes are not a token, or it reads other columns.
    """
    if request.token is None:
        table = handle()
        return _configure(client.newScannerBuilder(table), table, request, timeout_ms).build()
    reader = java("org.apache.kudu.client.KuduScanToken")
    try:
        sent = jpype.JArray(jpype.JByte)(request.token)
        opened = reader.deserializeIntoScanner(sent, client)
    except (java("java.io.IOException"), java("java.lang.IllegalArgumentException")) as error:
        raise InputError(
            f"{len(request.token)} bytes that are not a scan token ({error.getMessage()}); "
            "expected a result of Scan.tokens()"
        ) from None
    request.check_token([str(c.getName()) for c in opened.getProjectionSchema().getColumns()])
    return opened


def tokens(client: Any, table: Any, request: Request, timeout_ms: int) -> list[bytes]:
    """One token for each tablet that may hold such rows."""
    builder = _configure(client.newScanTokenBuilder(table), table, request, timeout_ms)
    return [bytes(token.serialize()) for token in builder.build()]


def batches(opened: Any) -> Iterator[Any]:
    """Yields Java batches that hold rows; closes the scanner also when the caller stops early."""
    opened.setRowDataFormat(java("org.apache.kudu.client.AsyncKuduScanner$RowDataFormat").COLUMNAR)
    # A caller may be anywhere in a user's process: jpype's callbacks return when the scan ends.
    with separated_collectors(), contextlib.closing(opened):
        while opened.hasMoreRows():
            batch = opened.nextRows()
            if batch.getNumRows():
                yield batch


def _configure(builder: Any, table: Any, request: Request, timeout_ms: int) -> Any:
    names = java("java.util.ArrayList")()
    for column in request.columns:
        names.add(column.name)
    builder.setProjectedColumnNames(names)
    builder.batchSizeBytes(BATCH_BYTES)
    builder.scanRequestTimeout(timeout_ms)
    schema = table.getSchema()
    for condition in request.conditions:
        for predicate in _predicates(schema, condition):
            builder.addPredicate(predicate)
    if request.snapshot_ms is not None:
        builder.readMode(java("org.apache.kudu.client.AsyncKuduScanner$ReadMode").READ_AT_SNAPSHOT)
        builder.snapshotTimestampMicros(request.snapshot_ms * 1000)
    return builder


def _predicates(schema: Any, condition: Condition) -> Iterator[Any]:
    name, kind, values = condition
    predicate = java("org.apache.kudu.client.KuduPredicate")
    column = schema.getColumn(name)
    if values is None:
        yield predicate.newIsNullPredicate(column)
    elif isinstance(values, Between):
        compared = java("org.apache.kudu.client.KuduPredicate$ComparisonOp")
        for operator, end in ((compared.GREATER_EQUAL, values.low), (compared.LESS, values.high)):
            if end is not None:
                value = jpype.JObject(_BOXES[kind](end))
                yield predicate.newComparisonPredicate(column, operator, value)
    else:
        boxed = java("java.util.ArrayList")()
        for value in values:
            boxed.add(_BOXES[kind](value))
        yield predicate.newInListPredicate(column, boxed)


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
