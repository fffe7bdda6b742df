"""Rows read through kudu-python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timezone
from typing import Any

from labelmill.store.conditions import Condition
from labelmill.store.drivers.native_moments import exact
from labelmill.store.rows import moment_of
from labelmill.store.tables import Column

BATCH_BYTES = 8 << 20


def scan(
    handle: Any,
    columns: Sequence[Column],
    conditions: Sequence[Condition],
    snapshot_ms: int | None,
    timeout_ms: int,
) -> Iterator[dict[str, object]]:
    """Rows of all tablets, one scanner after the other."""
    names = [column.name for column in columns]
    moments = [i for i, column in enumerate(columns) if column.type == "timestamp"]
    # Tokens, because a plain scanner has no batch size.
    builder = handle.scan_token_builder()
    builder.set_projected_column_names(names)
    builder.set_batch_size_bytes(BATCH_BYTES)
    builder.set_timeout_millis(timeout_ms)
    for condition in conditions:
        builder.add_predicate(_predicate(handle, condition))
    if snapshot_ms is not None:
        builder.set_read_mode("snapshot")
        builder.set_snapshot(moment_of(snapshot_ms * 1000))
    for token in builder.build():
        scanner = token.into_kudu_scanner()
        try:
            scanner.open()
            for batch in scanner.xbatches():
                for values in batch:
                    row = list(values)
                    for i in moments:
                        row[i] = row[i] and row[i].astimezone(timezone.utc)
                    yield dict(zip(names, row, strict=True))
        finally:
            scanner.close()


def _predicate(handle: Any, condition: Condition) -> Any:
    name, kind, values = condition
    column = handle[name]
    if values is None:
        return column.is_null()
    sent = [exact(value) if kind == "timestamp" else value for value in values]
    return column == sent[0] if len(sent) == 1 else column.in_list(sent)
