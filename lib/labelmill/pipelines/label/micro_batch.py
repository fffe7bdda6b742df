"""Labels one micro-batch of a stream, on Spark's driver."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from labelmill.bus.topics import MESSAGE_OVERHEAD
from labelmill.pipelines.label.control import Stop, StopRequested
from labelmill.pipelines.label.messages import LabelTask
from labelmill.pipelines.label.plan import StreamPlan
from labelmill.pipelines.label.report import StreamTotals
from labelmill.pipelines.label.version_pins import ServedVersion, VersionPins
from labelmill.pipelines.label.worker import (
    LABEL_COLUMNS,
    NO_VALUE,
    ROW_SCHEMA,
    label_batches,
    records_at_once,
)
from labelmill.pipelines.predict.labels import broadcast_bytes
from labelmill.settings import Settings
from labelmill.spark.arrow import struct_type
from labelmill.store.client import RowClient
from labelmill.store.records import batches
from labelmill.store.schema.tables import LABELS
from labelmill.store.spark import frames

COLLECT_EVERY = 100
"""Micro-batches between full collections of Python's garbage. py4j's proxies of Java objects are in
cycles; until they are collected, which Python does rarely when much else lives, the JVM keeps the
queries of past micro-batches with their plans."""

_IMAGE = ("collection", "image_id")


class MicroBatch:
    """The ``foreachBatch`` function of the stream.

    Args:
        settings: Where Kudu and Kafka are.
        client: Open client.
        plan: What the stream does.
        pins: Chooses the version of each micro-batch.
        limits: From `message_caps`.
        totals: Counts what is done.
        stop: The request to stop.
        same_topic: Raises when the topic is no longer the one whose offsets are known.

    Attributes:
        error: The exception that ended the stream, when a micro-batch raised it.
    """

    def __init__(
        self,
        settings: Settings,
        client: RowClient,
        plan: StreamPlan,
        pins: VersionPins,
        limits: tuple[int, int, int],
        totals: StreamTotals,
        stop: Stop,
        same_topic: Callable[[], None],
    ) -> None:
        self._settings, self._client, self._plan, self._pins = settings, client, plan, pins
        self._input_cap, self._output_cap, self._dead_cap = limits
        self._totals, self._stop, self._same_topic = totals, stop, same_topic
        self.error: BaseException | None = None

    def __call__(self, messages: DataFrame, batch_id: int) -> None:
        """Labels one micro-batch, from its messages to its row in ``stream_batches``.

        Raises:
            StopRequested: A stop was requested before the micro-batch did anything.
        """
        if self._stop.closing:
            raise StopRequested
        try:
            self._label(messages, batch_id)
            if batch_id % COLLECT_EVERY == 0:
                gc.collect()
        except BaseException as error:
            self.error = error
            raise

    def _label(self, messages: DataFrame, batch_id: int) -> None:
        started = time.monotonic()
        self._same_topic()
        served, replay = self._pins.pin(batch_id)
        task = LabelTask(
            self._plan.model, served.version, served.sha256, self._plan.query, batch_id,
            self._plan.collection, self._plan.threshold, self._settings.pixel_cap,
            self._plan.image_memory, self._output_cap, self._dead_cap, datetime.now(timezone.utc),
        )  # fmt: skip
        labelling = partial(
            label_batches, task=task, artifact=partial(broadcast_bytes, served.artifact)
        )
        # The query runs in its own clone of the session, so the setting affects nothing else.
        messages.sparkSession.conf.set(
            "spark.sql.execution.arrow.maxRecordsPerBatch", str(records_at_once(self._input_cap))
        )
        rows = messages.mapInArrow(labelling, struct_type(ROW_SCHEMA)).persist(
            StorageLevel.MEMORY_AND_DISK
        )
        try:
            # Counting computes the stage first, so that the Kudu write only writes (KUDU-3790).
            counted = rows.agg(F.count("*"), F.collect_list("reason"), _distinct()).head()
            assert counted is not None
            total, reasons = int(counted[0]), list(counted[1])
            repeated = total - len(reasons) - int(counted[2])
            kept = first_messages(rows) if repeated else rows
            labelled = total - len(reasons) - repeated
            dead = [reason for reason in reasons if reason != NO_VALUE]
            if labelled:
                self._write_labels(kept, served)
            if labelled or dead:
                self._send(kept.where(f"reason is null or reason <> '{NO_VALUE}'"))
        finally:
            rows.unpersist()
        milliseconds = round(1000 * (time.monotonic() - started))
        batches.finish(self._client, self._plan.query, batch_id, labelled, len(dead), milliseconds)
        self._totals.add(
            batch_id,
            served.version,
            labelled,
            dead,
            milliseconds,
            replay,
            repeated,
            len(reasons) - len(dead),
        )

    def _write_labels(self, rows: DataFrame, served: ServedVersion) -> None:
        labels = rows.where("reason is null").select(
            *LABEL_COLUMNS,
            F.lit(self._plan.model).alias("model"),
            F.lit(served.version).alias("version"),
            F.lit(self._plan.query).alias("query"),
        )
        frames.write(labels, self._settings, LABELS, "upsert")

    def _send(self, rows: DataFrame) -> None:
        plan, settings = self._plan, self._settings
        topic = F.when(F.col("reason").isNull(), plan.output).otherwise(plan.dead)
        cap = max(self._output_cap, self._dead_cap) + MESSAGE_OVERHEAD
        (
            rows.select(topic.alias("topic"), "key", "value")
            .write.format("kafka")
            .option("kafka.bootstrap.servers", settings.brokers())
            .option("kafka.acks", "all")
            .option("kafka.max.request.size", str(cap))
            .option("kafka.delivery.timeout.ms", str(int(settings.timeout_seconds * 1000)))
            .option("kafka.request.timeout.ms", str(int(settings.timeout_seconds * 500)))
            .save()
        )


def first_messages(rows: DataFrame) -> DataFrame:
    """Drops labels whose image has an earlier message in the same micro-batch.

    Two messages with one id may hold different pixels. Which of them is labelled must not depend on
    the order of tasks: it is the one with the least partition and offset, also in a replay.

    Args:
        rows: Of `ROW_SCHEMA`.
    """
    place = Window.partitionBy(*_IMAGE).orderBy("partition", "offset")
    labels = rows.where("reason is null").withColumn("nth", F.row_number().over(place))
    return labels.where("nth = 1").drop("nth").unionByName(rows.where("reason is not null"))


def _distinct() -> Column:
    """How many images were labelled; hashes, because ids of thousands of messages are large."""
    return F.size(F.collect_set(F.when(F.col("reason").isNull(), F.xxhash64(*_IMAGE))))
