"""What runs in the executors of the labelling stream: one ``mapInArrow`` stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from labelmill.inference.cache import predictor_of
from labelmill.pipelines.label_messages import Task
from labelmill.pipelines.label_rows import PIECE_BYTES, label_messages

ROW_SCHEMA = pa.schema([
    ("reason", pa.string()),  # null: labelled
    ("collection", pa.string()),
    ("image_id", pa.string()),
    ("class", pa.string()),
    ("probability", pa.float32()),
    ("probabilities", pa.binary()),
    ("entropy", pa.float32()),
    ("decision", pa.string()),
    ("key", pa.binary()),
    ("value", pa.binary()),
])  # fmt: skip
ROW_DDL = (
    "reason string, collection string, image_id string, class string, probability float, "
    "probabilities binary, entropy float, decision string, key binary, value binary"
)
LABEL_COLUMNS = (
    "collection", "image_id", "class", "probability", "probabilities", "entropy", "decision",
)  # fmt: skip

POOL_ROWS = 1024
"""Messages labelled together at most; more would gain nothing."""


def records_at_once(message_cap: int) -> int:
    """How many messages of at most `message_cap` bytes one Arrow batch may hold.

    Arrow batches are cut by rows, and are built by the JVM before any of our code sees them.
    """
    return max(1, min(POOL_ROWS, PIECE_BYTES // message_cap))


def label_batches(
    batches: Iterator[pa.RecordBatch], task: Task, artifact: Callable[[], bytes]
) -> Iterator[pa.RecordBatch]:
    """``mapInArrow`` function of the stream.

    Args:
        batches: Columns ``key``, ``value``, ``topic``, ``partition``, ``offset``.
        task: Of the micro-batch.
        artifact: Gives the artifact's bytes; called when this worker has no warm predictor of it.

    Yields:
        Batches of `ROW_SCHEMA`, one row a message.

    Raises:
        ArtifactError: The artifact cannot be read, or its graph does not run (the driver verified
            it, so the job must stop).
    """
    for pool in _pooled(batches):
        rows = label_messages(pool, predictor_of(task.sha256, artifact), task)
        yield pa.RecordBatch.from_pylist(rows, schema=ROW_SCHEMA)


def _pooled(batches: Iterator[pa.RecordBatch]) -> Iterator[list[dict[str, Any]]]:
    # The stream's Arrow batches are small because messages may be large; the model wants many.
    pool: list[dict[str, Any]] = []
    size = 0
    for batch in batches:
        for raw in batch.to_pylist():
            pool.append(raw)
            size += len(raw["value"] or b"")
            if len(pool) == POOL_ROWS or size >= PIECE_BYTES:
                yield pool
                pool, size = [], 0
    if pool:
        yield pool
