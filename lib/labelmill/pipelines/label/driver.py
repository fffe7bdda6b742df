"""Labels a Kafka topic: labels to Kudu, enriched messages and dead letters back to Kafka.

Each micro-batch pins a version, decodes and predicts in one Spark stage (persisted and counted, so
that the stage that writes to Kudu only writes), upserts labels, sends messages, and marks its row
in ``stream_batches`` as done. Each write is idempotent or carries the batch's number: a batch that
is replayed after a crash leaves the same labels, and its messages may be sent twice.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone
from functools import partial

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from rich.console import Console

from labelmill.bus.topics import MESSAGE_OVERHEAD
from labelmill.errors import ArtifactError, BusError, LabelmillError
from labelmill.pipelines.label import checkpoint
from labelmill.pipelines.label.control import Stop, StopRequested, follow, stop_on_sigterm
from labelmill.pipelines.label.messages import LabelTask
from labelmill.pipelines.label.plan import StreamPlan, message_caps, start_query
from labelmill.pipelines.label.report import StreamTotals
from labelmill.pipelines.label.version_pins import ServedVersion, VersionPins
from labelmill.pipelines.label.worker import (
    LABEL_COLUMNS,
    ROW_SCHEMA,
    label_batches,
    records_at_once,
)
from labelmill.pipelines.predict.labels import broadcast_bytes
from labelmill.settings import Settings
from labelmill.spark.arrow import struct_type
from labelmill.spark.report import Report
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.records import batches
from labelmill.store.schema.tables import ALIASES, LABELS, MODEL_CHUNKS, MODELS, STREAM_BATCHES
from labelmill.store.spark import frames

__all__ = ["MicroBatch", "StreamPlan", "label_stream"]


def label_stream(
    spark: SparkSession,
    settings: Settings,
    plan: StreamPlan,
    create_topics: bool = False,
    console: Console | None = None,
) -> Report:
    """Runs the stream until it is stopped (SIGTERM), drained, or fails.

    Raises:
        UnknownTopic: A topic does not exist; nothing was started.
        BusUnreachable: No broker answered.
        MissingRow: The model has no such alias.
        ArtifactError: There is no version that can be served.
        InputError: The query's name or the checkpoint belongs to another stream, or another model.
        BusError: Messages that the checkpoint needs are gone from Kafka.
        StoreError: Kudu refused the labels.
    """
    console = console or Console(stderr=True)
    limits = message_caps(settings, plan, create_topics)
    client = open_client(settings)
    try:
        for table in (MODELS, MODEL_CHUNKS, ALIASES, LABELS, STREAM_BATCHES):
            client.ensure(table)
        checkpoint.claim(spark, client, plan.checkpoint, plan.query, settings.table_prefix)
        totals = StreamTotals(plan.query, console)
        pins = VersionPins(
            client, spark.sparkContext, plan.query, plan.model, plan.alias, totals.warn
        )
        version = pins.find_first()
        console.print(
            f"labelling {plan.topic} with {plan.model} version {version} ({plan.alias})",
            highlight=False,
        )
        with stop_on_sigterm(spark) as stop:
            batch = MicroBatch(settings, client, plan, pins, limits, totals, stop)
            query = start_query(spark, settings, plan, batch)
            drained = (lambda: totals.seen >= plan.at_least) if plan.until_drained else None
            stopped = follow(query, stop, drained, plan.idle_seconds)
            # Stopped with no batch running: an exception that the stop itself caused is no failure.
            _raise_failure(batch.error or (None if stopped else query.exception()), plan)
            return totals.report("SIGTERM" if stop.asked else "drained")
    finally:
        client.close()


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
    ) -> None:
        self._settings, self._client, self._plan, self._pins = settings, client, plan, pins
        self._input_cap, self._output_cap, self._dead_cap = limits
        self._totals, self._stop = totals, stop
        self.error: BaseException | None = None

    def __call__(self, messages: DataFrame, batch_id: int) -> None:
        """Labels one micro-batch, as the module describes.

        Raises:
            StopRequested: A stop was requested before the micro-batch did anything.
        """
        if self._stop.closing:
            raise StopRequested
        try:
            self._label(messages, batch_id)
        except BaseException as error:
            self.error = error
            raise

    def _label(self, messages: DataFrame, batch_id: int) -> None:
        started = time.monotonic()
        served, replay = self._pins.pin(batch_id)
        task = LabelTask(
            self._plan.model, served.version, served.sha256, self._plan.query, batch_id,
            self._plan.collection, self._plan.threshold, self._settings.pixel_cap,
            self._output_cap, self._dead_cap,
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
            counted = rows.agg(F.count("*"), F.collect_list("reason")).head()
            assert counted is not None
            total, reasons = int(counted[0]), list(counted[1])
            labelled = total - len(reasons)
            if labelled:
                self._write_labels(rows, served, batch_id)
            if total:
                self._send(rows)
        finally:
            rows.unpersist()
        milliseconds = round(1000 * (time.monotonic() - started))
        batches.finish(
            self._client, self._plan.query, batch_id, labelled, len(reasons), milliseconds
        )
        self._totals.add(batch_id, served.version, labelled, reasons, milliseconds, replay)

    def _write_labels(self, rows: DataFrame, served: ServedVersion, batch_id: int) -> None:
        now = datetime.now(timezone.utc)
        labels = rows.where("reason is null").select(
            *LABEL_COLUMNS,
            F.lit(self._plan.model).alias("model"),
            F.lit(served.version).alias("version"),
            F.lit(self._plan.query).alias("query"),
            F.lit(batch_id).cast("bigint").alias("batch_id"),
            F.lit(now).alias("labelled_at"),
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


def _raise_failure(failure: BaseException | None, plan: StreamPlan) -> None:
    if failure is None or "StopRequested" in str(failure):
        return
    if isinstance(failure, LabelmillError):
        raise failure
    text = str(failure)
    if "failOnDataLoss" in text or "data may have been lost" in text:
        raise BusError(
            f"messages after the offsets in {plan.checkpoint} are gone from topic {plan.topic} (they "
            "were deleted, or the topic was created again). Existing labels stay. To continue with "
            "the messages that are there, start over with another --query and --checkpoint"
        ) from failure
    # An error in a Python worker arrives as text with a traceback.
    lines = [line for line in text.splitlines() if "labelmill.errors.ArtifactError: " in line]
    if lines:
        raise ArtifactError(lines[-1].split("ArtifactError: ", 1)[1]) from failure
    raise failure
