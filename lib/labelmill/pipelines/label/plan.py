"""The plan of a labelling stream, the checks before it starts, and its start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from labelmill.bus.kafka import message_cap, require_or_create
from labelmill.bus.topics import MESSAGE_OVERHEAD
from labelmill.domain.models.decisions import DEFAULT_THRESHOLD, check_threshold
from labelmill.errors import InputError
from labelmill.settings import Settings

IMAGE_MEMORY = 64 << 20
"""Default of `StreamPlan.image_memory`: two tasks at a time leave a small executor its room."""


@dataclass(frozen=True)
class StreamPlan:
    """What a labelling stream does.

    Attributes:
        topic: Topic with images.
        output: Topic for enriched messages.
        dead: Topic for messages that cannot be labelled.
        model: Model name.
        alias: Alias whose version labels; looked up once per micro-batch.
        query: Name of the stream in ``stream_batches`` and ``labels``.
        checkpoint: Folder or URI of Spark's offsets; belongs to `query`.
        collection: For messages that name none.
        threshold: Lowest probability that is accepted without review, 0..1.
        image_memory: Bytes that decoding and preparing one image may take; other messages become dead
            letters.
        max_per_batch: Most messages per micro-batch.
        until_drained: End once the topic is empty, instead of running until stopped.
        idle_seconds: Seconds without a new message after which the topic counts as drained.
        at_least: Number of messages to see before the topic can count as drained.
    """

    topic: str
    output: str
    dead: str
    model: str
    alias: str
    query: str
    checkpoint: str
    collection: str = "stream"
    threshold: float = DEFAULT_THRESHOLD
    image_memory: int = IMAGE_MEMORY
    max_per_batch: int = 4096
    until_drained: bool = False
    idle_seconds: float = 2.0
    at_least: int = 0


def message_caps(settings: Settings, plan: StreamPlan, create: bool) -> tuple[int, int, int]:
    """The largest messages that the input, output and dead-letter topics accept, in bytes.

    Raises:
        UnknownTopic: A topic does not exist and `create` is false.
        InputError: Two of the topics are the same, or the threshold is not within 0..1.
    """
    check_threshold(plan.threshold)
    for topic in (plan.topic, plan.output, plan.dead):
        require_or_create(settings, topic, create)
    if len({plan.topic, plan.output, plan.dead}) < 3:
        raise InputError(
            f"input topic {plan.topic!r}, output topic {plan.output!r} and dead-letter topic "
            f"{plan.dead!r} must be three different topics"
        )
    brokers, timeout = settings.brokers(), settings.timeout_seconds
    incoming, output, dead = (
        message_cap(brokers, t, timeout) for t in (plan.topic, plan.output, plan.dead)
    )
    return incoming, output - MESSAGE_OVERHEAD, dead - MESSAGE_OVERHEAD


def start_query(
    spark: SparkSession,
    settings: Settings,
    plan: StreamPlan,
    batch: Callable[[DataFrame, int], None],
) -> StreamingQuery:
    """Starts the streaming query that reads the topic and calls `batch` per micro-batch."""
    messages = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings.brokers())
        .option("subscribe", plan.topic)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", str(plan.max_per_batch))
        .option("kafka.isolation.level", "read_committed")
        .option("failOnDataLoss", "true")
        .load()
        .select("key", "value", "topic", "partition", "offset")
    )
    return (
        messages.writeStream.queryName(plan.query)
        .option("checkpointLocation", plan.checkpoint)
        .foreachBatch(batch)
        .start()
    )
