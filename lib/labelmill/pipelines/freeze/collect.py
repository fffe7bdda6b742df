"""A query's answer to this process: keys and targets; arrays that it makes, to a spool."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from labelmill.spark.errors import room_for_rows
from labelmill.sql.plan.reader import selection
from labelmill.sql.pushdown.match import plain
from labelmill.sql.pushdown.scan import NoRoomError, plain_answer
from labelmill.store.client import RowClient
from labelmill.training_sets.assembly.spool import Spool

START, SIZE = "labelmill start", "labelmill size"
"""Columns that stand for ``pixels`` that lie in a spool."""


def answer(client: RowClient, asked: DataFrame, snapshot_ms: int, spool: Spool) -> pa.Table:
    """All rows of a query: by the row client where it can, else by Spark.

    Args:
        client: Open client.
        asked: Of `labelmill.pipelines.freeze.query_schema.asked`.
        snapshot_ms: What the query reads at.
        spool: Where ``pixels`` go, when the query itself makes them.

    Returns:
        Its columns; `START` and `SIZE` in place of ``pixels``.

    Raises:
        InputError: More rows than the driver takes.
        StoreError: Kudu refused.
        StoreUnreachable: Kudu did not answer in time.
    """
    query = plain(selection(asked))
    if query is not None:
        with suppress(NoRoomError):  # executors may leave out what would not fit here
            return plain_answer(client, query, snapshot_ms, _room(asked.sparkSession))
    with room_for_rows():
        if "pixels" in asked.columns:
            batches = [_spooled(batch, spool) for batch in _one_by_one(asked)]
        else:
            batches = asked._collect_as_arrow()
    return pa.Table.from_batches(batches) if batches else pa.table({})


def _room(spark: SparkSession) -> int:
    """Bytes of an answer that the driver takes."""
    conf = spark.sparkContext._jsc.sc().conf()
    size = int(conf.getSizeAsBytes("spark.driver.maxResultSize", "1g"))
    return size or sys.maxsize


def pack_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Runs on executors: each batch as one row of Arrow IPC bytes, so that no Row is made of rows."""
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        yield pa.RecordBatch.from_arrays(
            [pa.array([sink.getvalue().to_pybytes()], pa.binary())], ["ipc"]
        )


def _one_by_one(asked: DataFrame) -> Iterator[pa.RecordBatch]:
    packed = asked.mapInArrow(pack_batches, "ipc binary")  # type: ignore[arg-type]
    # One partition at a time comes to the driver, the next is computed meanwhile.
    for row in packed.toLocalIterator(prefetchPartitions=True):
        with pa.ipc.open_stream(pa.BufferReader(row["ipc"])) as reader:
            yield from reader


def _spooled(batch: pa.RecordBatch, spool: Spool) -> pa.RecordBatch:
    pixels = batch.column("pixels")
    ends = np.frombuffer(pixels.buffers()[1], np.int32)[pixels.offset :][: len(pixels) + 1]
    start = spool.add(memoryview(pixels.buffers()[2] or b"")[int(ends[0]) : int(ends[-1])])
    null = pixels.is_null().to_numpy(zero_copy_only=False)
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    del columns["pixels"]
    columns[START] = pa.array(start + (ends[:-1] - ends[0]).astype(np.int64), mask=null)
    columns[SIZE] = pa.array(np.diff(ends).astype(np.int64), mask=null)
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
