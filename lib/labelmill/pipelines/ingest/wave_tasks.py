"""A wave as Spark tasks: how many, how large, and what they return."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from labelmill.pipelines.ingest.batch import SUMMARY
from labelmill.pipelines.ingest.task import IngestTask
from labelmill.pipelines.ingest.worker import ingest_batches, ingest_stream
from labelmill.sources.base import Wave
from labelmill.spark.arrow import struct_type

_TASK_FILES = 64
"""Fewest files of a task, except of the last."""

_FILE_SECONDS, _BYTE_SECONDS = 80e-6, 25e-9
_TASK_SECONDS = 3.0
"""About how long a task takes: short enough that progress moves and a failed task repeats little."""


def ingest_wave(
    spark: SparkSession, wave: Wave, task: IngestTask, seconds_per_file: float | None
) -> list[dict[str, Any]]:
    """Ingests one wave on the workers.

    Args:
        spark: The session.
        wave: Its files.
        task: The run.
        seconds_per_file: What a worker took for a file so far; None for the first wave.

    Returns:
        Rows of `SUMMARY`.
    """
    if isinstance(wave.files, DataFrame):
        ingest = _ConvertAndIngest(wave.convert, task)
        summaries = wave.files.mapInArrow(ingest, struct_type(SUMMARY))  # type: ignore[arg-type]
        return [row.asDict() for row in summaries.collect()]
    slots = spark.sparkContext.defaultParallelism
    parts = split_wave(wave.files, slots, seconds_per_file or estimate_seconds(wave))
    streams = spark.sparkContext.parallelize(parts, len(parts))
    answers = streams.flatMap(partial(ingest_stream, task)).collect()
    return [row for stream in answers for row in pa.ipc.open_stream(stream).read_all().to_pylist()]


@dataclass(frozen=True)
class _ConvertAndIngest:
    """Picklable: makes rows of ``FILES`` where need be, then ingests them, in one worker."""

    convert: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]] | None
    task: IngestTask

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return ingest_batches(self.convert(batches) if self.convert else batches, self.task)


def estimate_seconds(wave: Wave) -> float:
    """Seconds that a file of the first wave may take, from what small images and photographs took."""
    return _FILE_SECONDS + _BYTE_SECONDS * wave.bytes / max(1, wave.count or 1)


def split_wave(files: pa.Table, slots: int, seconds_per_file: float) -> list[bytes]:
    """A wave as Arrow streams, one per task.

    Args:
        files: Rows of ``FILES``.
        slots: Tasks that run at once.
        seconds_per_file: What a worker takes for a file.
    """
    rows = len(files)
    # Whole rounds: a slot that has nothing to do while the last task runs is time lost.
    rounds = max(1, round(rows * seconds_per_file / (_TASK_SECONDS * slots)))
    tasks = max(1, min(rounds * slots, -(-rows // _TASK_FILES)))
    parts = []
    for number in range(tasks):
        start, end = rows * number // tasks, rows * (number + 1) // tasks
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, files.schema) as writer:
            writer.write_table(files.slice(start, end - start).combine_chunks())
        parts.append(sink.getvalue().to_pybytes())
    return parts
