"""Rows read through kudu-python."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timezone
from typing import TYPE_CHECKING, Any

from labelmill.errors import InputError
from labelmill.store.drivers.native.errors import is_silent, text_of
from labelmill.store.drivers.native.timestamps import exact
from labelmill.store.errors import short
from labelmill.store.scans import Request
from labelmill.store.schema.columns import schema_of
from labelmill.store.schema.conditions import Between, Condition
from labelmill.store.schema.rows import moment_of

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_BYTES = 8 << 20


def tokens(handle: Any, request: Request, timeout_ms: int) -> list[bytes]:
    """One token for each tablet that may hold such rows."""
    builder = handle.scan_token_builder()
    builder.set_projected_column_names([column.name for column in request.columns])
    builder.set_batch_size_bytes(BATCH_BYTES)
    builder.set_timeout_millis(timeout_ms)
    for condition in request.conditions:
        for predicate in _predicates(handle, condition):
            builder.add_predicate(predicate)
    if request.snapshot_ms is not None:
        builder.set_read_mode("snapshot")
        builder.set_snapshot(moment_of(request.snapshot_ms * 1000))
    return [bytes(token.serialize()) for token in builder.build()]


def batches(client: Any, token: bytes, request: Request) -> Iterator[list[tuple[Any, ...]]]:
    """Yields the rows of one tablet in batches.

    Raises:
        InputError: The bytes are not a token, or it reads other columns.
    """
    import kudu

    try:
        scanner = client.deserialize_token_into_scanner(token)
    except kudu.KuduNotFound:
        raise
    except (kudu.KuduException, ValueError) as error:
        # Damage has several statuses: an invalid argument, corruption, an illegal state.
        text = text_of(error)
        if isinstance(error, kudu.KuduException) and is_silent(text):
            raise
        raise InputError(
            f"{len(token)} bytes that are not a scan token ({short(text)}); expected a result of "
            "Scan.tokens()"
        ) from None
    request.check_token(scanner.get_projection_schema().names)
    try:
        scanner.open()
        for batch in scanner.xbatches():
            rows = [tuple(values) for values in batch]
            if rows:
                yield rows
    finally:
        scanner.close()


def dicts(request: Request, batch: list[tuple[Any, ...]]) -> Iterator[dict[str, object]]:
    """Yields rows as callers receive them."""
    names = [column.name for column in request.columns]
    moments = [i for i, column in enumerate(request.columns) if column.type == "timestamp"]
    for values in batch:
        row = list(values)
        for i in moments:
            row[i] = row[i] and row[i].astimezone(timezone.utc)
        yield dict(zip(names, row, strict=True))


def arrow(request: Request, batch: list[tuple[Any, ...]]) -> Iterator[pa.RecordBatch]:
    """Yields the rows as one Arrow batch; kudu-python returns cells only."""
    import pyarrow as pa

    if not request.columns:
        yield pa.RecordBatch.from_struct_array(pa.array([{}] * len(batch), pa.struct([])))
        return
    rows = list(dicts(request, batch))
    yield pa.RecordBatch.from_pylist(rows, schema=schema_of(request.columns))


def _predicates(handle: Any, condition: Condition) -> Iterator[Any]:
    name, kind, values = condition
    column = handle[name]

    def sent(value: object) -> object:
        return exact(value) if kind == "timestamp" else value

    if values is None:
        yield column.is_null()
    elif isinstance(values, Between):
        if values.low is not None:
            yield column >= sent(values.low)
        if values.high is not None:
            yield column < sent(values.high)
    elif len(values) == 1:
        yield column == sent(values[0])
    else:
        yield column.in_list([sent(value) for value in values])
