"""Rows written through Kudu's Java client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jpype

from labelmill.store.client import Operation
from labelmill.store.drivers.flushes import FLUSH_ROWS, flushes
from labelmill.store.drivers.java.jvm import java
from labelmill.store.errors import SAMPLES, refused
from labelmill.store.schema.types import Table, Type


def write(
    client: Any,
    handle: Any,
    table: Table,
    rows: Sequence[Mapping[str, object]],
    operation: Operation,
    timeout_ms: int,
) -> int:
    """Sends checked rows in flushes of bounded size.

    Raises:
        RowsRefused: Kudu refused rows; rows of other flushes may be written.
        StoreUnreachable: Kudu did not take rows within the time.
    """
    make = getattr(handle, _MAKERS[operation])
    index = {c.name: (i, _ADDERS[c.type]) for i, c in enumerate(table.columns)}
    session = client.newSession()
    session.setFlushMode(java("org.apache.kudu.client.SessionConfiguration$FlushMode").MANUAL_FLUSH)
    session.setMutationBufferSpace(FLUSH_ROWS)
    session.setTimeoutMillis(timeout_ms)
    collect = java("org.apache.kudu.client.OperationResponse").collectErrors
    errors: list[Any] = []
    try:
        for batch in flushes(rows):
            for row in batch:
                sent = make()
                cells = sent.getRow()
                for name, value in row.items():
                    i, add = index[name]
                    if value is None:
                        cells.setNull(i)
                    else:
                        add(cells, i, value)
                session.apply(sent)
            errors.extend(collect(session.flush()))
    finally:
        session.close()
    if errors:
        samples = [
            (
                str(error.getOperation().getRow().stringifyRowKey()),
                str(error.getErrorStatus().toString()),
            )
            for error in errors[:SAMPLES]
        ]
        raise refused(table, samples, len(errors), len(rows), operation)
    return len(rows)


_MAKERS: dict[Operation, str] = {
    "upsert": "newUpsert",
    "insert": "newInsert",
    "insert_ignore": "newInsertIgnore",
    "delete_ignore": "newDeleteIgnore",
}

_ADDERS: dict[Type, Callable[[Any, int, Any], None]] = {
    "string": lambda cells, i, value: cells.addString(i, value),
    "binary": lambda cells, i, value: cells.addBinary(i, jpype.JArray(jpype.JByte)(value)),
    "int8": lambda cells, i, value: cells.addByte(i, value),
    "int32": lambda cells, i, value: cells.addInt(i, value),
    "int64": lambda cells, i, value: cells.addLong(i, value),
    "timestamp": lambda cells, i, value: cells.addLong(i, value),
    "float": lambda cells, i, value: cells.addFloat(i, value),
    "double": lambda cells, i, value: cells.addDouble(i, value),
    "bool": lambda cells, i, value: cells.addBoolean(i, value),
}
