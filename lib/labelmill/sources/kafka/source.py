"""The image messages of a Kafka topic, from the first to the last one at the start of the run.

Executors read ranges of offsets; the driver holds two numbers per partition.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from pyspark.accumulators import AccumulatorParam
from pyspark.sql import SparkSession

from labelmill.bus.topics import message_cap, offset_ranges
from labelmill.domain.images.folders import ALONE
from labelmill.errors import InputError
from labelmill.settings import Settings
from labelmill.sources.base import WAVE_FILES, SourceOptions, Wave
from labelmill.sources.kafka.worker import EmptyMessages, MessageReader

PREFIX = "kafka:"

_BATCH_ROWS, _BATCH_BYTES = 1024, 32 << 20
"""Messages and bytes of a batch on its way from the JVM to Python; batches are limited by rows."""

_TASKS_PER_SLOT = 4

Ranges = dict[int, tuple[int, int]]
"""Partition → first offset, and the one after the last."""


class KafkaSource:
    """A topic; see `labelmill.sources.base.ImageSource`.

    Attributes:
        total: Number of offsets, which includes messages without a value and compacted ones.
    """

    default_labels = "folder"

    def __init__(self, spark: SparkSession, settings: Settings, options: SourceOptions) -> None:
        """Looks up the first and the last offsets.

        Raises:
            InputError: No topic is named.
            UnknownTopic: It does not exist.
            BusUnreachable: No broker answered.
        """
        self.name, self.root = options.source, ""
        self.skipped: Counter[str] = Counter()
        self.layout, self.notes = ALONE, list[str]()
        self._topic = options.source.removeprefix(PREFIX)
        if not self._topic:
            raise InputError(f"{options.source!r} names no topic; expected {PREFIX}TOPIC")
        self._spark, self._settings, self._limit = spark, settings, options.limit
        brokers, timeout = settings.brokers(), settings.timeout_seconds
        self._ranges = offset_ranges(brokers, self._topic, timeout)
        self._cap = message_cap(brokers, self._topic, timeout)
        offsets = sum(end - start for start, end in self._ranges.values())
        self.total: int | None = min(offsets, options.limit or offsets)

    def waves(self) -> Iterator[Wave]:
        """See `ImageSource.waves`."""
        spark = self._spark.newSession()
        rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES // self._cap))
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(rows))
        context = self._spark.sparkContext
        empty = context.accumulator({}, _EmptyMessagesSum(self.skipped))
        tasks = _TASKS_PER_SLOT * context.defaultParallelism
        for number, wave in enumerate(split_ranges(self._ranges, WAVE_FILES, self._limit)):
            frame = (
                spark.read.format("kafka")
                .option("kafka.bootstrap.servers", self._settings.brokers())
                .option("assign", json.dumps({self._topic: list(wave)}))
                .option("startingOffsets", self._offsets(wave, 0))
                .option("endingOffsets", self._offsets(wave, 1))
                .option("kafka.isolation.level", "read_committed")
                .option("failOnDataLoss", "true")
                .option("minPartitions", str(max(tasks, len(wave))))
                .load()
                .select("value", "partition", "offset", "timestamp")
            )
            convert = MessageReader(self._topic, number, self._settings.pixel_cap, empty)
            count = sum(end - start for start, end in wave.values())
            yield Wave(frame, count, convert=convert)

    def _offsets(self, wave: Ranges, which: int) -> str:
        return json.dumps({self._topic: {str(p): bounds[which] for p, bounds in wave.items()}})


def split_ranges(ranges: Ranges, most: int, limit: int | None = None) -> Iterator[Ranges]:
    """Splits ranges into pieces of at most `most` offsets, evenly from all partitions that have any left.

    Args:
        ranges: All offsets.
        most: Offsets per piece.
        limit: Offsets of all pieces.
    """
    left = {p: bounds for p, bounds in ranges.items() if bounds[0] < bounds[1]}
    while left and limit != 0:
        room = size = most if limit is None else min(most, limit)
        piece: Ranges = {}
        # The shortest first: the room that they leave goes to the others.
        by_length = sorted(left, key=lambda p: left[p][1] - left[p][0])
        for others, partition in zip(range(len(left), 0, -1), by_length, strict=True):
            start, end = left[partition]
            share = min(-(-room // others), end - start)
            room -= share
            if share:
                piece[partition] = (start, start + share)
                left[partition] = (start + share, end)
        limit = None if limit is None else limit - (size - room)
        left = {p: bounds for p, bounds in left.items() if bounds[0] < bounds[1]}
        yield piece


class _EmptyMessagesSum(AccumulatorParam[EmptyMessages]):
    """Adds up messages without a value; a task counts once however often it ran.

    Attributes:
        skipped: On the driver: gets the sum.
    """

    WHY = "message without a value"

    def __init__(self, skipped: Counter[str] | None = None) -> None:
        self.skipped = skipped

    def __reduce__(self) -> tuple[type[_EmptyMessagesSum], tuple[()]]:
        return _EmptyMessagesSum, ()

    def zero(self, value: EmptyMessages) -> EmptyMessages:
        """See `AccumulatorParam`."""
        return {}

    def addInPlace(self, value1: EmptyMessages, value2: EmptyMessages) -> EmptyMessages:
        """See `AccumulatorParam`."""
        value1.update(value2)
        if self.skipped is not None and value1:
            self.skipped[self.WHY] = sum(value1.values())
        return value1
