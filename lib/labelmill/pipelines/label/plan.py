"""A labelling stream before its first micro-batch: what it is to do, and whether it can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from labelmill.bus.kafka import message_cap, require_or_create
from labelmill.bus.topics import MESSAGE_OVERHEAD
from labelmill.domain.models.decisions import DEFAULT_THRESHOLD
from labelmill.errors import InputError
from labelmill.settings import Settings


@dataclass(frozen=True)
class StreamPlan:
    """What a labelling stream does.

    Attributes:
        topic: Where images come from.
        output: Where enriched messages go.
        dead: Where messages go that cannot be labelled.
        model: Model name.
        alias: Alias whose version labels; looked up once per micro-batch.
        query: Name of the stream in ``stream_batches`` and ``labels``.
        checkpoint: Folder or URI of Spark's offsets; belongs to `query`.
        collection: For messages that name none.
        bound: Least probability that is accepted without review, 0..1.
        max_per_batch: Messages per micro-batch at most.
        until_drained: End when nothing is waiting, instead of running on.
        idle_seconds: How long nothing may have arrived before it counts as drained.
        at_least: Not drained before so many messages were seen.
    """

    topic: str
    output: str
    dead: str
    model: str
    alias: str
    query: str
    checkpoint: str
    collection: str = "stream"
    bound: float = DEFAULT_THRESHOLD
    max_per_batch: int = 4096
    until_drained: bool = False
    idle_seconds: float = 2.0
    at_least: int = 0


def caps(settings: Settings, plan: StreamPlan, create: bool) -> tuple[int, int, int]:
    """The largest messages that the input, output and dead-letter topics take, in bytes.

    Raises:
        UnknownTopic: A topic does not exist and was not to be created.
        InputError: Topics that are one.
    """
    for topic in (plan.topic, plan.output, plan.dead):
        require_or_create(settings, topic, create)
    if len({plan.topic, plan.output, plan.dead}) < 3:
        raise InputError("the topics for input, output and dead letters must be three")
    brokers, timeout = settings.brokers(), settings.timeout_seconds
    taken, output, dead = (
        message_cap(brokers, t, timeout) for t in (plan.topic, plan.output, plan.dead)
    )
    return taken, output - MESSAGE_OVERHEAD, dead - MESSAGE_OVERHEAD


def start(
    spark: SparkSession,
    settings: Settings,
    plan: StreamPlan,
    batch: Callable[[DataFrame, int], None],
) -> StreamingQuery:
    """Starts the query on Kafka's side."""
    messages = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings.brokers())
        .option("subscribe", plan.topic)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", str(plan.max_per_batch))
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
