"""Batches of messages as batches of files; no Kafka and no Spark."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.domain.codecs.png.codec import encode_png
from labelmill.sources.base import FILES
from labelmill.sources.kafka import worker
from labelmill.sources.kafka.worker import MessageReader

PNG = encode_png(np.zeros((4, 4, 1), np.uint8))
LAST_MICROS = 253_402_300_799_999_999


def messages(*rows: tuple[bytes | None, int]) -> pa.RecordBatch:
    """Messages of partition 2 from offset 10: value, and time in microseconds."""
    return pa.RecordBatch.from_pydict(
        {
            "value": pa.array([value for value, _ in rows], pa.binary()),
            "partition": pa.array([2] * len(rows), pa.int32()),
            "offset": pa.array(range(10, 10 + len(rows)), pa.int64()),
            "timestamp": pa.array([micros for _, micros in rows], pa.timestamp("us", "UTC")),
        }
    )


def read(*batches: pa.RecordBatch) -> list[list[dict[str, Any]]]:
    found = list(MessageReader("t", 0, 1000)(iter(batches)))
    assert all(batch.schema == FILES for batch in found)
    return [batch.to_pylist() for batch in found]


def test_messages_without_a_value_are_left_out() -> None:
    (rows,) = read(messages((PNG, 0), (None, 0), (b"", 0), (PNG, 0)))
    assert [row["uri"] for row in rows] == ["kafka:t/2/10", "kafka:t/2/12", "kafka:t/2/13"]
    assert [row["fault"] is None for row in rows] == [True, False, True]
    assert read(messages((None, 0))) == []


def test_a_time_after_the_year_9999_is_none() -> None:
    (rows,) = read(messages((PNG, LAST_MICROS), (PNG, LAST_MICROS + 1), (PNG, -1)))
    assert [row["source_time"] and row["source_time"].year for row in rows] == [9999, None, None]


def test_output_batches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_BATCH_BYTES", 2 * len(PNG))
    batches = read(messages(*[(PNG, 0)] * 5), messages((PNG, 0)))
    assert [len(rows) for rows in batches] == [2, 2, 1, 1]
