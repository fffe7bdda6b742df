"""Labels a Kafka topic: labels to Kudu, enriched messages and dead letters back to Kafka.

Each micro-batch pins a version, decodes and predicts in one Spark stage (persisted and counted, so
that the stage that writes to Kudu only writes), upserts labels, sends messages, and marks its row
in ``stream_batches`` as done. Each write is idempotent or carries the batch's number: a batch that
is replayed after a crash leaves the same labels, and its messages may be sent twice.
"""

from __future__ import annotations

from functools import partial

from pyspark.sql import SparkSession
from rich.console import Console

from labelmill.bus.topics import TopicIdentity, require_topic
from labelmill.errors import ArtifactError, BusError, BusUnreachable, LabelmillError
from labelmill.pipelines.label import checkpoint
from labelmill.pipelines.label.control import follow, stop_on_sigterm
from labelmill.pipelines.label.micro_batch import MicroBatch
from labelmill.pipelines.label.plan import StreamPlan, message_caps, start_query
from labelmill.pipelines.label.report import StreamTotals
from labelmill.pipelines.label.version_pins import VersionPins
from labelmill.settings import Settings
from labelmill.spark.report import Report
from labelmill.store.connect import open_client
from labelmill.store.schema.tables import ALIASES, LABELS, MODEL_CHUNKS, MODELS, STREAM_BATCHES


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
        BusError: Messages that the checkpoint needs are gone from Kafka, or the topic was made again.
        StoreError: Kudu refused the labels.
    """
    console = console or Console(stderr=True)
    limits = message_caps(settings, plan, create_topics)
    topic = TopicIdentity(settings.brokers(), plan.topic, settings.timeout_seconds)
    client = open_client(settings)
    try:
        for table in (MODELS, MODEL_CHUNKS, ALIASES, LABELS, STREAM_BATCHES):
            client.ensure(table)
        identity: dict[str, checkpoint.Value] = {
            "query": plan.query, "table_prefix": settings.table_prefix, "topic": plan.topic,
            "model": plan.model, checkpoint.TOPIC_ID: topic.read(),
        }  # fmt: skip
        deciding: dict[str, checkpoint.Value] = {
            "collection": plan.collection, "threshold": plan.threshold,
            "pixel_cap": settings.pixel_cap, "image_memory": plan.image_memory >> 20,
        }  # fmt: skip
        checkpoint.claim(spark, client, plan.checkpoint, identity, deciding)
        totals = StreamTotals(plan.query, console)
        partitions = require_topic(settings.brokers(), plan.topic, settings.timeout_seconds)
        if plan.max_per_batch < partitions:
            totals.warn(
                f"--max-per-batch {plan.max_per_batch} is below the {partitions} partitions of {plan.topic}: "
                f"Spark takes at least one message of each, so micro-batches have up to {partitions}"
            )
        pins = VersionPins(
            client, spark.sparkContext, plan.query, plan.model, plan.alias, totals.warn
        )
        version = pins.find_first()
        console.print(
            f"labelling {plan.topic} with {plan.model} version {version} ({plan.alias})",
            highlight=False,
        )
        with stop_on_sigterm(spark) as stop:
            known = str(identity[checkpoint.TOPIC_ID])
            same_topic = partial(_require_same_topic, topic, known, plan)
            batch = MicroBatch(settings, client, plan, pins, limits, totals, stop, same_topic)
            query = start_query(spark, settings, plan, batch)
            drained = (lambda: totals.seen >= plan.at_least) if plan.until_drained else None
            stopped = follow(query, stop, drained, plan.idle_seconds)
            # Stopped with no batch running: an exception that the stop itself caused is no failure.
            raise_failure(batch.error or (None if stopped else query.exception()), plan)
            return totals.report("SIGTERM" if stop.asked else "drained")
    finally:
        client.close()


def _require_same_topic(topic: TopicIdentity, known: str, plan: StreamPlan) -> None:
    """Raises BusError when the topic was made again while the stream runs."""
    try:
        now = topic.read()
    except BusUnreachable:
        return  # reading the messages says so, or waits
    if now != known:
        raise checkpoint.another_topic(plan.topic, plan.query, plan.checkpoint)


def raise_failure(failure: BaseException | None, plan: StreamPlan) -> None:
    """Raises what ended a stream, as an error with an exit code where its cause is known.

    Args:
        failure: The exception of a micro-batch or of the query; None: it ended by itself.
        plan: What the stream did.

    Raises:
        BusError: Messages that the checkpoint needs are gone from Kafka.
        ArtifactError: A Python worker could not use the model.
        BaseException: `failure` itself, when it is neither of these nor a `StopRequested`.
    """
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
