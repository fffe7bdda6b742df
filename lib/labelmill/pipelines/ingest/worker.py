"""Runs on executors: files in, rows written to Kudu, one short summary per batch out.

A worker reads, hashes, decodes and writes by itself, so pixels never pass through Spark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any

import pyarrow as pa

from labelmill.pipelines.ingest.batch import SUMMARY, Batch
from labelmill.pipelines.ingest.task import IngestTask
from labelmill.sources.base import FILES
from labelmill.sources.file_reader import open_reader


def ingest_batches(batches: Iterator[pa.RecordBatch], task: IngestTask) -> Iterator[pa.RecordBatch]:
    """Ingests files; a function for ``mapInArrow``.

    Args:
        batches: Rows of `FILES`.
        task: The run.

    Yields:
        Batches of `SUMMARY`, one row each.

    Raises:
        InputError: The root is not visible from this worker.
        StoreError: Kudu refused or did not answer.
    """
    read = open_reader(task.root)
    batch = Batch(task)
    for files in batches:
        for row in _rows(files):
            batch.add(row, read)
            if batch.is_full():
                yield batch.finish()
                batch = Batch(task)
    if batch.files:
        yield batch.finish()


def ingest_stream(task: IngestTask, stream: bytes) -> list[bytes]:
    """The same for an Arrow stream of `FILES`; returns one Arrow stream of `SUMMARY`, if any."""
    with pa.ipc.open_stream(stream) as batches:
        summaries = list(ingest_batches(batches, task))
    if not summaries:
        return []
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SUMMARY) as writer:
        for summary in summaries:
            writer.write_batch(summary)
    return [sink.getvalue().to_pybytes()]


def _rows(files: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    # Most sources fill few columns; listing nulls would cost more than repeating one.
    columns = [files.column(name) for name in FILES.names]
    return zip(*(_values(column) for column in columns), strict=True)


def _values(column: pa.Array) -> Iterable[Any]:
    if column.null_count == len(column):
        return repeat(None, len(column))
    if pa.types.is_timestamp(column.type):
        # Microseconds: Python's datetime ends with the year 9999, data do not.
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values
