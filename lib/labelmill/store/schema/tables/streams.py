"""Micro-batches of streams."""

from __future__ import annotations

from labelmill.store.schema.tables.keys import key
from labelmill.store.schema.types import Column, Table

STREAM_BATCHES = Table(
    "stream_batches",
    (
        key("query", "name of the stream"),
        key("batch_id", "micro-batch", "int64"),
        Column("model", "string", "model name"),
        Column("version", "int32", "version pinned for this micro-batch; a replay uses it again"),
        Column("state", "string", "pinned, done"),
        Column("rows", "int64", "images labelled", nullable=True),
        Column("dead", "int64", "messages sent to the dead-letter topic", nullable=True),
        Column("milliseconds", "int64", "time of the micro-batch", nullable=True),
        Column("started_at", "timestamp", "when"),
    ),
    "model version pinned per micro-batch",
)
