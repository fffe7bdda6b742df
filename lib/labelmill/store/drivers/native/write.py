"""Rows written through kudu-python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labelmill.store.client import Operation
from labelmill.store.drivers.flushes import flushes
from labelmill.store.drivers.native.errors import is_table_gone, text_of
from labelmill.store.drivers.native.timestamps import exact
from labelmill.store.errors import SAMPLES, refused
from labelmill.store.schema.types import Table

BUFFER_BYTES = 64 << 20
"""Session buffer: a flush (at most 4 MiB of cells) always fits, with the overhead of encoding."""


def write(
    session: Any,
    handle: Any,
    table: Table,
    rows: Sequence[Mapping[str, object]],
    operation: Operation,
) -> int:
    """Sends checked rows in flushes of bounded size.

    Raises:
        RowsRefused: Kudu refused rows; rows of other flushes may be written.
        kudu.KuduNotFound: The table is gone.
        StoreUnreachable: Kudu did not take rows within the time.
    """
    import kudu

    make = {
        "upsert": handle.new_upsert,
        "insert": handle.new_insert,
        "insert_ignore": handle.new_insert_ignore,
        # kudu-python has no delete-ignore; "not found" is left out of the errors below.
        "delete_ignore": handle.new_delete,
    }[operation]
    moments = [c.name for c in table.columns if c.type == "timestamp"]
    errors: list[tuple[str, str]] = []
    count = 0
    for batch in flushes(rows):
        for row in batch:
            record = dict(row)
            for name in moments:
                if record.get(name) is not None:
                    record[name] = exact(record[name])
            session.apply(make(record))
        failure: Exception | None = None
        try:
            session.flush()
        except kudu.KuduException as error_of_all:  # says only that some rows failed
            failure = error_of_all
        pending, _ = session.get_pending_errors()
        if failure is not None and not pending:
            raise failure
        for error in pending:
            status = text_of(error)
            if is_table_gone(status):
                raise kudu.KuduNotFound(status)
            if operation == "delete_ignore" and "Not found" in status:
                continue
            count += 1
            if len(errors) < SAMPLES:
                errors.append((error.failed_op(), status))
    if count:
        raise refused(table, errors, count, len(rows), operation)
    return len(rows)
