"""publish: a slice or a folder of images → Kafka, shuffled without repeats.

The order is that of SHA-256(seed, collection, image id): it looks random, is the same for the same
seed, and needs no state. A publish that was killed and is run again repeats messages; consumers
key by ``image_id`` and are idempotent (docs/decisions/0041).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pyspark.sql import SparkSession
from rich.console import Console

from labelmill.domain.images.image import image_id_of
from labelmill.errors import BusError, InputError, NoData, UnknownName
from labelmill.feed.training_set import TrainingSet
from labelmill.pipelines.publish.order import files, frozen, order_key, shuffled
from labelmill.pipelines.publish.worker import COLUMNS, SENT_SCHEMA, Sent, send, send_batches
from labelmill.settings import Settings
from labelmill.spark.arrow import struct_type
from labelmill.spark.progress import SparkProgress
from labelmill.spark.report import Report
from labelmill.sql import catalogue
from labelmill.sql.pixels import with_pixels


def publish_slice(
    spark: SparkSession,
    settings: Settings,
    sql: str,
    topic: str,
    with_labels: bool = False,
    seed: int = 0,
    rate: float | None = None,
    console: Console | None = None,
) -> Report:
    """Sends the images of a query, with exactly the stored pixels.

    Args:
        sql: A query over the catalogue with the columns of `COLUMNS`; repeated images are sent once.
        topic: An existing topic.
        with_labels: Put the column ``class`` (truth) into the messages.
        seed: Of the order.
        rate: Messages a second at most, over all executors.

    Raises:
        QueryRefused: The SQL does more than read the catalogue.
        UnknownName: The query lacks a column.
        NoData: The query has no rows.
        BusError: The brokers did not take the messages.
    """
    report = Report("publish_images")
    wanted = catalogue.query(spark, settings, sql)
    needed = (*COLUMNS, "class") if with_labels else COLUMNS
    for name in needed:
        if name not in wanted.columns:
            raise UnknownName(
                f"column: publishing needs {name!r}; the query's columns", name, wanted.columns
            )
    parts = spark.sparkContext.defaultParallelism
    ordered = shuffled(with_pixels(wanted, settings), seed, parts)
    sending = partial(
        send_batches,
        brokers=settings.brokers(),
        topic=topic,
        timeout=settings.timeout_seconds,
        with_labels=with_labels,
        rate=rate / parts if rate else None,
    )
    with SparkProgress(spark, f"publish to {topic}", console):
        rows = ordered.mapInArrow(sending, struct_type(SENT_SCHEMA)).collect()
    total = Sent()
    for row in rows:
        total = total.plus(Sent(**row.asDict()))
    return _reported(report, topic, total, "the query has no rows")


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
        with_labels: Put the class (truth) into the messages.
        seed: Of the order.
        rate: Messages a second at most.

    Raises:
        NoData: The split has no rows.
        BusError: The brokers did not take the messages.
    """
    report = Report("publish_images")
    rows = training_set.rows(split)
    with SparkProgress(None, f"publish to {topic}", console, unit="images") as progress:
        envelopes = frozen(rows, with_labels, seed, progress)
        total = send(envelopes, settings.brokers(), topic, settings.timeout_seconds, rate)
    return _reported(report, topic, total, f"the training set has no rows in split {split!r}")


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
    """Sends the files ``*.png`` below a folder, byte for byte; equal files are sent once.

    Raises:
        InputError: Not a folder.
        NoData: It holds no PNG files.
        BusError: The brokers did not take the messages.
    """
    report = Report("publish_images")
    if not folder.is_dir():
        raise InputError(f"{str(folder)!r} is no folder; expected one with PNG files, or --sql")
    ids: dict[str, str] = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() == ".png" and p.is_file()):
        ids.setdefault(image_id_of(path.read_bytes()), path.relative_to(folder).as_posix())
    order = sorted(ids, key=lambda image_id: order_key(seed, collection, image_id))
    with SparkProgress(None, f"publish to {topic}", console, unit="images") as progress:
        envelopes = files(folder, [ids[i] for i in order], collection, with_labels, progress)
        total = send(envelopes, settings.brokers(), topic, settings.timeout_seconds, rate)
    return _reported(report, topic, total, f"{folder} holds no file *.png")


def _reported(report: Report, topic: str, total: Sent, nothing: str) -> Report:
    if total.error:
        failure = BusError(total.error)
        failure.exit_code = total.exit_code
        raise failure
    if not (total.messages or total.left_out or total.without_pixels):
        raise NoData(f"nothing to publish: {nothing}")
    report.put("topic", topic)
    report.put("messages", total.messages)
    report.put("bytes", total.bytes)
    report.put("recoded_as_png", total.recoded)
    report.put("left_out_too_large", total.left_out)
    report.put("left_out_without_pixels", total.without_pixels)
    report.put("messages_per_second", round(total.messages / max(report.seconds, 1e-9), 1))
    if total.left_out:
        report.note(
            f"{total.left_out} images are larger than {topic}'s max.message.bytes even as PNG and "
            f"were left out, for example {', '.join(total.too_large)}; raise the topic's limit"
        )
    if total.without_pixels:
        report.note(f"{total.without_pixels} rows have no pixels and were left out")
    return report
