"""A heap of images into the catalogue, at the speed of its decoder and of Kudu.

The heap goes through in waves of bounded size (decision 0073). Workers read, decode and write each
wave themselves (`labelmill.pipelines.ingest.worker`); the driver hands out files and adds up. While a wave
is taken the next one is read. A job that was killed is run again and ends with the same rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.domain.images.label_rules import labelling_of
from labelmill.errors import InputError, LabelmillError
from labelmill.pipelines.ingest.distinct_ids import DistinctIds
from labelmill.pipelines.ingest.equal_files import settle
from labelmill.pipelines.ingest.report import Counts, closed, no_images
from labelmill.pipelines.ingest.wave_retry import whole
from labelmill.pipelines.ingest.worker import SUMMARY, Taking, take_stream
from labelmill.read_ahead import read_ahead
from labelmill.settings import Settings
from labelmill.sources import open_heap
from labelmill.sources.base import Heap, SourceOptions, Wave
from labelmill.spark.arrow import struct_type
from labelmill.spark.errors import our_errors
from labelmill.spark.progress import SparkProgress
from labelmill.spark.report import Report
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.schema.tables import ANNOTATIONS, IMAGE_CHUNKS, IMAGES, QUARANTINE
from labelmill.store.schema.types import Table
from labelmill.store.spark import frames as store

_COLLECTION = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
_USED = (IMAGES, IMAGE_CHUNKS, ANNOTATIONS, QUARANTINE)
_FILES_A_TASK = 64
_FILE_SECONDS, _BYTE_SECONDS = 80e-6, 25e-9
_TASK_SECONDS = 3.0
"""Tasks are made so long: progress moves, and what a failed one repeats is little."""


@dataclass(frozen=True)
class IngestOptions:
    """What a user says beyond source and collection.

    Attributes:
        limit: At most so many files, the first in order.
        fail_over: Per cent of files (0..100) above which quarantined files make the job fail, at
            its end. Whatever the value, all files quarantined is a failure.
        labels: Where classes come from when the source names none; `labelmill.domain.images.label_rules`.
        dry_run: Read and decode everything, write nothing.
        uri: For a manifest without a column of paths; `SourceOptions.uri`.
    """

    limit: int | None = None
    fail_over: float | None = None
    labels: str = "folder"
    dry_run: bool = False
    uri: str = ""


def ingest(
    spark: SparkSession,
    settings: Settings,
    source: str,
    collection: str,
    options: IngestOptions | None = None,
) -> Report:
    """Brings a heap of images into the catalogue.

    Args:
        spark: The session.
        settings: Kudu, Kafka, pixel cap.
        source: What `labelmill.sources.open_heap` understands.
        collection: Name that the images get; letters, digits, ``_ . -``.
        options: What is not as usual.

    Returns:
        The report: ``files``, ``new``, ``already_there``, ``repeated_in_source`` (files with the
        bytes of another one), ``annotations`` (new), ``conflicts``, ``quarantined``,
        ``quarantined_by_reason``, ``skipped``, ``images_per_second``, ``slowest_part``.

    Raises:
        InputError: No such source, a folder that workers cannot see, a name that cannot be meant, an
            archive without one readable image. A source that cannot be read to its end is a failure
            of the report, which says what was taken.
        NoData: There is no image file in the source.
        StoreError: Kudu refused.
    """
    options = options or IngestOptions()
    if not _COLLECTION.match(collection):
        raise InputError(
            f"collection {collection!r}: expected letters, digits, '_', '.', '-', at most 100"
        )
    labelling = labelling_of(options.labels)
    report = Report("ingest_images")  # its clock runs from here: listing is part of the work
    heap = open_heap(spark, settings, SourceOptions(source, options.limit, options.uri))
    if heap.total == 0:
        list(heap.waves())  # tells what was left out
        raise no_images(heap)
    taking = Taking(
        settings,
        collection,
        heap.root,
        labelling,
        datetime.now(timezone.utc),
        dry=options.dry_run,
    )
    report.put("source", heap.name)
    report.put("collection", collection)
    if options.dry_run:
        with DistinctIds() as ids:
            counts = _take_all(spark, heap, taking, ids)
            report.note("dry run: nothing was written")
            return closed(report, heap, counts, {"would_take": ids.count()}, options.fail_over)
    client = open_client(settings)
    try:
        store.ensure_all(settings, client, _USED)
        with DistinctIds() as ids:
            taking = _aware(taking, client)
            counts = _take_all(spark, heap, taking, ids, client)
            outcome = _outcome(spark, taking, counts, ids, client)
            return closed(report, heap, counts, outcome, options.fail_over)
    finally:
        client.close()


def _aware(taking: Taking, client: RowClient) -> Taking:
    """Knows what is there: files in quarantine, which may be good now, and annotations."""
    where = {"collection": taking.collection}
    return replace(
        taking,
        mends=_any(client.scan(QUARANTINE, ["uri"], where)),
        annotated=_any(client.scan(ANNOTATIONS, ["source"], where)),
    )


def _any(rows: Iterator[object]) -> bool:
    return next(rows, None) is not None


def _take_all(
    spark: SparkSession,
    heap: Heap,
    taking: Taking,
    ids: DistinctIds,
    client: RowClient | None = None,
) -> Counts:
    counts = Counts()
    slots = spark.sparkContext.defaultParallelism

    def take(wave: Wave) -> list[dict[str, Any]]:
        with our_errors():
            return _take(spark, wave, taking, slots, counts.seconds_a_file)

    with SparkProgress(spark, f"ingest {taking.collection}", unit="files") as progress:
        for wave in _as_far_as_read(heap, counts):
            progress.advance(counts.files, heap.total, part=wave.count)
            for part, summaries in whole(wave, take):
                for summary in summaries:
                    counts.add(summary)
                    ids.add(summary["ids"])
                if client is not None and isinstance(part.files, pa.Table):
                    taken = b"".join(summary["ids"] for summary in summaries)
                    settle(client, taking.collection, part.files, taken, taking.labelling)
    if not counts.files:
        raise no_images(heap)
    return counts


def _as_far_as_read(heap: Heap, counts: Counts) -> Iterator[Wave]:
    """Waves, read ahead. What is wrong with the source stops no report of what was taken before."""
    try:
        yield from read_ahead(heap.waves())
    except LabelmillError as error:
        if not counts.files:
            raise
        counts.cut = error


def _take(
    spark: SparkSession, wave: Wave, taking: Taking, slots: int, each: float | None
) -> list[dict[str, Any]]:
    """One wave, taken by workers; the rows of `SUMMARY`."""
    if isinstance(wave.files, DataFrame):
        take = _Through(wave.through, taking) if wave.through else taking
        summaries = wave.files.mapInArrow(take, struct_type(SUMMARY))  # type: ignore[arg-type]
        return [row.asDict() for row in summaries.collect()]
    parts = _cut(wave.files, slots, each or _guess(wave))
    streams = spark.sparkContext.parallelize(parts, len(parts))
    taken = streams.flatMap(partial(take_stream, taking)).collect()
    return [row for stream in taken for row in pa.ipc.open_stream(stream).read_all().to_pylist()]


@dataclass(frozen=True)
class _Through:
    """Picklable: makes rows of ``FILES``, then takes them, in one worker."""

    through: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
    taking: Taking

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return self.taking(self.through(batches))


def _guess(wave: Wave) -> float:
    """Seconds that a file of the first wave may take, by what small images and photographs took."""
    return _FILE_SECONDS + _BYTE_SECONDS * wave.bytes / max(1, wave.count or 1)


def _cut(files: pa.Table, slots: int, each: float) -> list[bytes]:
    """A wave as Arrow streams, one a task.

    Args:
        files: Rows of ``FILES``.
        slots: Tasks that run at once.
        each: Seconds that a file takes.
    """
    rows = len(files)
    # Whole rounds: a slot that has nothing to do while the last task runs is time lost.
    rounds = max(1, round(rows * each / (_TASK_SECONDS * slots)))
    tasks = max(1, min(rounds * slots, -(-rows // _FILES_A_TASK)))
    parts = []
    for number in range(tasks):
        start, end = rows * number // tasks, rows * (number + 1) // tasks
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, files.schema) as writer:
            writer.write_table(files.slice(start, end - start).combine_chunks())
        parts.append(sink.getvalue().to_pybytes())
    return parts


def _outcome(
    spark: SparkSession, taking: Taking, counts: Counts, ids: DistinctIds, client: RowClient
) -> dict[str, object]:
    """What this run changed, as Kudu has it: workers may have written the same row twice."""
    new = _rows_of(taking, client, IMAGES, "ingested_at")
    annotations = _rows_of(taking, client, ANNOTATIONS, "annotated_at") if counts.annotations else 0
    different = ids.count()
    # Images that are all new and all different have one import each at most.
    possible = taking.annotated or different < counts.good or new < different
    return {
        "new": new,
        "already_there": different - new,
        "repeated_in_source": counts.good - different,
        "annotations": annotations,
        "conflicts": _conflicts(spark, taking) if possible else 0,
    }


def _rows_of(taking: Taking, client: RowClient, table: Table, moment: str) -> int:
    """Rows of the collection that carry this run's time: Kudu counts, no cell is sent."""
    where = {"collection": taking.collection, moment: taking.now}
    return sum(1 for _ in client.scan(table, [], where))


def _conflicts(spark: SparkSession, taking: Taking) -> int:
    """Images of the collection whose imports name different classes."""
    mine = (F.col("collection") == taking.collection) & ~F.col("source").startswith("person/")
    return (
        store.read(spark, taking.settings, ANNOTATIONS, ["image_id", "source", "class"], mine)
        .groupBy("image_id")
        .agg(F.min("class").alias("low"), F.max("class").alias("high"))
        .where("low <> high")
        .count()
    )
