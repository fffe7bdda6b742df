"""Collects a query's rows on the driver: keys and targets in memory, computed pixels in a spool."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from labelmill.spark.arrow import struct_type
from labelmill.spark.errors import room_for_rows
from labelmill.sql.plan.reader import read_selection
from labelmill.sql.pushdown.match import match_query
from labelmill.sql.pushdown.scan import ResultTooLargeError, scan_query
from labelmill.store.client import RowClient
from labelmill.training_sets.assembly.spool import Spool

_PACKED = pa.schema([("ipc", pa.binary())])

START, SIZE = "labelmill start", "labelmill size"
"""Columns that replace ``pixels`` when those are in a spool."""


def collect_rows(client: RowClient, rows: DataFrame, snapshot_ms: int, spool: Spool) -> pa.Table:
    """Collects all rows of a query: through the row client where possible, else through Spark.

    Args:
        client: Open client.
        rows: Result of `labelmill.pipelines.freeze.query_schema.select_columns`.
        snapshot_ms: Snapshot that the query reads.
        spool: Receives ``pixels`` that the query itself computes.

    Returns:
        Its columns, with `START` and `SIZE` in place of ``pixels``.

    Raises:
        InputError: More rows than the driver accepts.
        StoreError: Kudu refused.
        StoreUnreachable: Kudu did not answer in time.
    """
    query = match_query(read_selection(rows))
    if query is not None:
        with suppress(ResultTooLargeError):  # Spark's executors may drop what does not fit here
            return scan_query(client, query, snapshot_ms, _driver_limit(rows.sparkSession))
    with room_for_rows():
        if "pixels" in rows.columns:
            batches = [_move_pixels_to_spool(batch, spool) for batch in _stream_batches(rows)]
        else:
            batches = rows._collect_as_arrow()
    return pa.Table.from_batches(batches) if batches else pa.table({})


def _driver_limit(spark: SparkSession) -> int:
    """Most bytes of a result that the driver accepts."""
    conf = spark.sparkContext._jsc.sc().conf()
    size = int(conf.getSizeAsBytes("spark.driver.maxResultSize", "1g"))
    return size or sys.maxsize


def pack_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Runs on executors: packs each batch into one row of Arrow IPC bytes, to avoid a `Row` per row."""
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        yield pa.RecordBatch.from_arrays(
            [pa.array([sink.getvalue().to_pybytes()], pa.binary())], schema=_PACKED
        )


def _stream_batches(rows: DataFrame) -> Iterator[pa.RecordBatch]:
    packed = rows.mapInArrow(pack_batches, struct_type(_PACKED))  # type: ignore[arg-type]
    # Partitions arrive one at a time; the next one is computed meanwhile.
    for row in packed.toLocalIterator(prefetchPartitions=True):
        with pa.ipc.open_stream(pa.BufferReader(row["ipc"])) as reader:
            yield from reader


def _move_pixels_to_spool(batch: pa.RecordBatch, spool: Spool) -> pa.RecordBatch:
    pixels = batch.column("pixels")
    ends = np.frombuffer(pixels.buffers()[1], np.int32)[pixels.offset :][: len(pixels) + 1]
    start = spool.add(memoryview(pixels.buffers()[2] or b"")[int(ends[0]) : int(ends[-1])])
    null = pixels.is_null().to_numpy(zero_copy_only=False)
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    del columns["pixels"]
    columns[START] = pa.array(start + (ends[:-1] - ends[0]).astype(np.int64), mask=null)
    columns[SIZE] = pa.array(np.diff(ends).astype(np.int64), mask=null)
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
