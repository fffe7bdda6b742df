"""Publishes a slice, a split of a training set or a folder to Kafka, shuffled, each image once.

Images are ordered by SHA-256(seed, collection, image id): the order looks random, repeats for the
same seed, and needs no state. A publish that was killed and is run again repeats messages;
consumers use ``image_id`` as the key and are idempotent (docs/decisions/0041).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pyspark.sql import SparkSession
from rich.console import Console

from labelmill.domain.images.image import image_id_of
from labelmill.domain.images.paths import uri_of
from labelmill.errors import ImageError, InputError, UnknownName
from labelmill.feed.training_set import TrainingSet
from labelmill.pipelines.publish.order import file_envelopes, frozen_envelopes, order_key, shuffle
from labelmill.pipelines.publish.report import closing_report
from labelmill.pipelines.publish.worker import (
    COLUMNS,
    TOTALS_SCHEMA,
    PublishTotals,
    send,
    send_batches,
)
from labelmill.settings import Settings
from labelmill.sources.file_reader import LINKED, open_reader
from labelmill.spark.arrow import struct_type
from labelmill.spark.progress import SparkProgress
from labelmill.spark.report import Report
from labelmill.sql import catalogue
from labelmill.sql.pixels import with_pixels
from labelmill.sql.snapshot import settled_snapshot


def publish_slice(
    spark: SparkSession,
    settings: Settings,
    sql: str,
    topic: str,
    with_labels: bool = False,
    seed: int = 0,
    rate: float | None = None,
    console: Console | None = None,
    snapshot_ms: int | None = None,
) -> Report:
    """Sends the images of a query, with exactly the stored pixels.

    Args:
        sql: A query over the catalogue with the columns `COLUMNS`; duplicate images are sent once.
        topic: An existing topic.
        with_labels: Include the true class (column ``class``) and the path in the messages.
        seed: Of the order.
        rate: Most messages per second, over all executors.
        snapshot_ms: Moment at which images are read, milliseconds since 1970 UTC; None: now.

    Raises:
        QueryRefused: The SQL does more than read the catalogue.
        UnknownName: The query lacks a column.
        NoData: The query has no rows.
        BusError: The brokers did not accept the messages.
    """
    report = Report("publish_images")
    # Images and their chunks at one moment, whichever replica answers.
    at = settled_snapshot(settings, snapshot_ms)
    rows = catalogue.query(spark, settings, sql, at)
    needed = (*COLUMNS, "class") if with_labels else COLUMNS
    for name in needed:
        if name not in rows.columns:
            raise UnknownName(
                f"column: publishing needs {name!r}; the query's columns", name, rows.columns
            )
    partitions = spark.sparkContext.defaultParallelism
    ordered = shuffle(with_pixels(rows, settings, at), seed, partitions)
    sending = partial(
        send_batches,
        brokers=settings.brokers(),
        topic=topic,
        timeout=settings.timeout_seconds,
        with_labels=with_labels,
        rate=rate / partitions if rate else None,
    )
    with SparkProgress(spark, f"publish to {topic}", console):
        sent = ordered.mapInArrow(sending, struct_type(TOTALS_SCHEMA)).collect()
    totals = PublishTotals()
    for row in sent:
        totals = totals.plus(PublishTotals(**row.asDict()))
    return closing_report(report, topic, totals, "the query has no rows")


def publish_split(
    settings: Settings,
    training_set: TrainingSet,
    split: str,
    topic: str,
    with_labels: bool = False,
    seed: int = 0,
    rate: float | None = None,
    console: Console | None = None,
) -> Report:
    """Sends the images of one split of a training set, with exactly the frozen pixels.

    Args:
        training_set: Open training set.
        split: ``train``, ``validation`` or ``test``.
        topic: An existing topic.
        with_labels: Include the true class in the messages.
        seed: Of the order.
        rate: Most messages per second.

    Raises:
        NoData: The split has no rows.
        BusError: The brokers did not accept the messages.
    """
    report = Report("publish_images")
    rows = training_set.rows(split)
    with SparkProgress(None, f"publish to {topic}", console, unit="images") as progress:
        envelopes = frozen_envelopes(rows, with_labels, seed, progress)
        totals = send(envelopes, settings.brokers(), topic, settings.timeout_seconds, rate)
    return closing_report(report, topic, totals, f"the training set has no rows in split {split!r}")


def publish_folder(
    settings: Settings,
    folder: Path,
    topic: str,
    collection: str,
    with_labels: bool = False,
    seed: int = 0,
    rate: float | None = None,
    console: Console | None = None,
) -> Report:
    """Sends the ``*.png`` files in a folder and its subfolders, unchanged; equal files once.

    Links are not followed: they may lead to files outside of the folder.

    Raises:
        InputError: Not a folder.
        NoData: There are no PNG files.
        BusError: The brokers did not accept the messages.
    """
    report = Report("publish_images")
    if not folder.is_dir():
        raise InputError(f"{str(folder)!r} is not a folder; expected one with PNG files, or --sql")
    read = open_reader(str(folder.absolute()))
    ids: dict[str, str] = {}
    linked = 0
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() == ".png" and p.is_file()):
        uri = uri_of(path.relative_to(folder).as_posix())
        try:
            ids.setdefault(image_id_of(read(uri)), uri)
        except ImageError as error:
            if error.reason != "linked":
                raise
            linked += 1
    order = sorted(ids, key=lambda image_id: order_key(seed, collection, image_id))
    with SparkProgress(None, f"publish to {topic}", console, unit="images") as progress:
        envelopes = file_envelopes(read, [ids[i] for i in order], collection, with_labels, progress)
        totals = send(envelopes, settings.brokers(), topic, settings.timeout_seconds, rate)
    left_out = f"{linked:,} files were left out, each {LINKED}" if linked else ""
    if left_out:
        report.note(left_out)
    return closing_report(report, topic, totals, left_out or f"{folder} has no *.png files")
