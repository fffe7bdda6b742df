"""Brings a collection of images into the catalogue, at the speed of its decoder and of Kudu.

The source is read in waves of bounded size (decision 0073). Workers read, decode and write each wave
themselves (`labelmill.pipelines.ingest.worker`); the driver hands out files and adds up. While a wave is
ingested the next one is read. A job that was killed is run again and ends with the same rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from labelmill.domain.images.label_rules import parse_label_rule
from labelmill.errors import InputError, LabelmillError
from labelmill.pipelines.ingest.distinct_ids import DistinctIds
from labelmill.pipelines.ingest.equal_files import fix_equal_files
from labelmill.pipelines.ingest.held_out import SplitIds, hold_out
from labelmill.pipelines.ingest.report import IngestTotals, finish_report, no_images
from labelmill.pipelines.ingest.task import IngestTask
from labelmill.pipelines.ingest.wave_retry import retry_in_parts
from labelmill.pipelines.ingest.wave_tasks import ingest_wave
from labelmill.read_ahead import read_ahead
from labelmill.settings import Settings
from labelmill.sources import open_source
from labelmill.sources.base import ImageSource, SourceOptions, Wave
from labelmill.spark.errors import our_errors
from labelmill.spark.progress import SparkProgress
from labelmill.spark.report import Report
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.schema.tables import ANNOTATIONS, IMAGE_CHUNKS, IMAGES, QUARANTINE
from labelmill.store.schema.types import Table
from labelmill.store.spark import frames

_COLLECTION = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
_TABLES = (IMAGES, IMAGE_CHUNKS, ANNOTATIONS, QUARANTINE)


@dataclass(frozen=True)
class IngestOptions:
    """Options of an ingest, beside source and collection.

    Attributes:
        limit: At most this many files, the first in order; None: all.
        fail_over: Per cent of files (0..100) above which quarantined files make the job fail, at
            its end. Whatever the value, all files quarantined is a failure.
        labels: Where classes come from when the source names none; `labelmill.domain.images.label_rules`.
            Empty: ``folder``, for a manifest ``none``.
        dry_run: Read and decode everything, write nothing.
        uri: For a manifest without a column of paths; `SourceOptions.uri`.
        label_columns: For a manifest with a column a class; `SourceOptions.label_columns`.
        transpose: For IDX; `SourceOptions.transpose`.
        mapping: For IDX; `SourceOptions.mapping`.
        zip_encoding: For zip; `SourceOptions.zip_encoding`.
        normalise_classes: Make classes one that differ only in how letters are composed, or in white
            space around them.
    """

    limit: int | None = None
    fail_over: float | None = None
    labels: str = ""
    dry_run: bool = False
    uri: str = ""
    label_columns: tuple[str, ...] = ()
    normalise_classes: bool = False
    transpose: bool = False
    mapping: str = ""
    zip_encoding: str = ""

    def of_source(self, source: str) -> SourceOptions:
        """What concerns reading the source."""
        return SourceOptions(
            source,
            self.limit,
            self.uri,
            self.label_columns,
            self.transpose,
            self.mapping,
            self.zip_encoding,
        )


def ingest(
    spark: SparkSession,
    settings: Settings,
    source: str,
    collection: str,
    options: IngestOptions | None = None,
) -> Report:
    """Brings a collection of images into the catalogue.

    Args:
        spark: The session.
        settings: Kudu, Kafka, pixel cap.
        source: What `labelmill.sources.open_source` understands.
        collection: Name that the images get; letters, digits, ``_ . -``.
        options: What differs from the defaults.

    Returns:
        The report: ``files``, ``new``, ``already_there``, ``repeated_in_source`` (files with the
        bytes of another one), ``annotations`` (new), ``conflicts``, ``quarantined``,
        ``quarantined_by_reason``, ``skipped``, ``images_per_second``, ``slowest_part``.

    Raises:
        InputError: No such source, a folder that workers cannot see, an invalid name, an archive
            without one readable image. A source that cannot be read to its end is a failure of the
            report, which says what was ingested.
        NoData: There is no image file in the source.
        StoreError: Kudu refused.
    """
    options = options or IngestOptions()
    if not _COLLECTION.match(collection):
        raise InputError(
            f"collection {collection!r}: expected letters, digits, '_', '.', '-', at most 100"
        )
    if options.labels:
        parse_label_rule(options.labels)
    if options.fail_over is not None and not 0 <= options.fail_over <= 100:
        raise InputError(f"fail_over {options.fail_over}; expected a percentage, 0 to 100")
    report = Report("ingest_images")  # its clock runs from here: listing is part of the work
    images = open_source(spark, settings, options.of_source(source))
    label_rule = parse_label_rule(options.labels or images.default_labels)
    if images.total == 0:
        list(images.waves())  # counts what is left out, for the message
        raise no_images(images)
    now = datetime.now(timezone.utc)
    task = IngestTask(
        settings,
        collection,
        images.root,
        label_rule,
        now,
        normalise_classes=options.normalise_classes,
        dry_run=options.dry_run,
    )
    report.put("source", images.name)
    report.put("collection", collection)
    if options.dry_run:
        with DistinctIds() as ids, SplitIds() as split_ids:
            totals = _ingest_waves(spark, images, task, ids, split_ids)
            totals.in_several_splits = split_ids.shared()
            report.note("dry run: nothing was written")
            changes: dict[str, object] = {"would_take": ids.count()}
            return finish_report(report, images, totals, changes, options.fail_over)
    client = open_client(settings)
    try:
        frames.ensure_all(settings, client, _TABLES)
        with DistinctIds() as ids, SplitIds() as split_ids:
            task = _look_up_collection(task, client)
            totals = _ingest_waves(spark, images, task, ids, split_ids, client)
            totals.in_several_splits = split_ids.shared()
            changes = _count_changes(spark, task, totals, ids, client)
            if totals.in_several_splits or changes["already_there"]:
                hold_out(client, collection, split_ids)
            return finish_report(report, images, totals, changes, options.fail_over)
    finally:
        client.close()


def _look_up_collection(task: IngestTask, client: RowClient) -> IngestTask:
    """The task, with whether the collection has files in quarantine, and annotations."""
    where = {"collection": task.collection}
    return replace(
        task,
        retry_quarantined=_has_any(client.scan(QUARANTINE, ["uri"], where)),
        annotated=_has_any(client.scan(ANNOTATIONS, ["source"], where)),
    )


def _has_any(rows: Iterator[object]) -> bool:
    return next(rows, None) is not None


def _ingest_waves(
    spark: SparkSession,
    images: ImageSource,
    task: IngestTask,
    ids: DistinctIds,
    split_ids: SplitIds,
    client: RowClient | None = None,
) -> IngestTotals:
    totals = IngestTotals()

    def run(wave: Wave) -> list[dict[str, Any]]:
        with our_errors():
            return ingest_wave(spark, wave, task, totals.seconds_per_file)

    with SparkProgress(spark, f"ingest {task.collection}", unit="files") as progress:
        for wave in _read_waves(images, totals):
            task = replace(task, layout=images.layout)
            progress.advance(totals.files, images.total, part=wave.count)
            for part, summaries in retry_in_parts(wave, run):
                for summary in summaries:
                    totals.add(summary)
                    ids.add(summary["ids"])
                    split_ids.add(summary["ids"], summary["split_codes"])
                if client is not None and isinstance(part.files, pa.Table):
                    wave_ids = b"".join(summary["ids"] for summary in summaries)
                    fix_equal_files(client, task, part.files, wave_ids)
    if not totals.files:
        raise no_images(images)
    return totals


def _read_waves(images: ImageSource, totals: IngestTotals) -> Iterator[Wave]:
    """Waves, read ahead. A source that breaks off ends them; `IngestTotals.cut` then says why.

    Raises:
        LabelmillError: It breaks off before the first file was ingested.
    """
    try:
        yield from read_ahead(images.waves())
    except LabelmillError as error:
        if not totals.files:
            raise
        totals.cut = error


def _count_changes(
    spark: SparkSession,
    task: IngestTask,
    totals: IngestTotals,
    ids: DistinctIds,
    client: RowClient,
) -> dict[str, object]:
    """What this run changed, counted in Kudu: workers may have written the same row twice."""
    new = _count_rows(task, client, IMAGES, "ingested_at")
    annotations = (
        _count_rows(task, client, ANNOTATIONS, "annotated_at") if totals.annotations else 0
    )
    different = ids.count()
    # Images that are all new and all different have at most one import each.
    possible = task.annotated or different < totals.good or new < different
    return {
        "new": new,
        "already_there": different - new,
        "repeated_in_source": totals.good - different,
        "annotations": annotations,
        "conflicts": _count_conflicts(spark, task) if possible else 0,
    }


def _count_rows(task: IngestTask, client: RowClient, table: Table, moment: str) -> int:
    """Rows of the collection that carry this run's time. No cell is sent."""
    where = {"collection": task.collection, moment: task.now}
    return sum(1 for _ in client.scan(table, [], where))


def _count_conflicts(spark: SparkSession, task: IngestTask) -> int:
    """Images of the collection whose imports name different classes."""
    mine = (F.col("collection") == task.collection) & ~F.col("source").startswith("person/")
    return (
        frames.read(spark, task.settings, ANNOTATIONS, ["image_id", "source", "class"], mine)
        .groupBy("image_id")
        .agg(F.min("class").alias("low"), F.max("class").alias("high"))
        .where("low <> high")
        .count()
    )
