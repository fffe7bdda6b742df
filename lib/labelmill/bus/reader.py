"""Messages by offset range: the caller keeps the offsets, there is no consumer group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from labelmill.bus.topics import DEFAULT_TIMEOUT, client_conf, offset_ranges, unreachable
from labelmill.errors import BusError, InputError

_AT_ONCE = 500
_TICK = 0.2
"""Seconds between two chances for the caller to stop a read that waits."""

Offsets = dict[int, int]
"""Partition → offset."""


class Read(NamedTuple):
    """One message, or the end of a partition whose last offset is not a message.

    Args:
        partition: Its partition.
        offset: Its offset.
        value: Its bytes; None: a message without a value, or no message.
        message: False for the end of a partition.
    """

    partition: int
    offset: int
    value: bytes | None
    message: bool = True


def bounds(
    brokers: str,
    topic: str,
    start: Mapping[int, int] | None,
    end: Mapping[int, int] | None,
    timeout: float = DEFAULT_TIMEOUT,
) -> tuple[Offsets, Offsets]:
    """Start and end offsets of each partition: as given, else what the topic holds now.

    Args:
        brokers: ``HOST:PORT[,HOST:PORT…]``.
        topic: An existing topic.
        start: First offset of each partition; default: the oldest message.
        end: The offset after the last; default: the current end.
        timeout: Seconds.

    Raises:
        UnknownTopic: The topic does not exist.
        InputError: A partition that the topic does not have, or offsets beyond its ends.
        BusError: Messages from `start` on are no longer there.
        BusUnreachable: No broker answered.
    """
    there = offset_ranges(brokers, topic, timeout)
    for given in (start or {}, end or {}):
        for partition in given:
            if partition not in there:
                raise InputError(
                    f"partition {partition!r} of {topic!r}; it has {', '.join(map(str, sorted(there)))}"
                )
    first, last = {}, {}
    for partition, (low, high) in sorted(there.items()):
        begin = (start or {}).get(partition, low)
        stop = (end or {}).get(partition, high)
        if begin < low:
            raise BusError(
                f"{topic}[{partition}]: messages were requested from offset {begin}, but the oldest is "
                f"{low}: the topic's retention has removed the earlier ones. Start at {low}"
            )
        if begin > high or stop > high:
            raise InputError(
                f"{topic}[{partition}]: received offsets {begin} to {stop}; it ends at {high}"
            )
        first[partition], last[partition] = begin, max(begin, stop)
    return first, last


def read(
    brokers: str,
    topic: str,
    start: Mapping[int, int],
    end: Mapping[int, int] | None,
    timeout: float = DEFAULT_TIMEOUT,
) -> Iterator[Read | None]:
    """Messages in order within each partition, as they arrive between partitions.

    Args:
        brokers: ``HOST:PORT[,HOST:PORT…]``.
        topic: An existing topic.
        start: First offset of each partition.
        end: The offset after the last of each; None: unbounded.
        timeout: Seconds within which an existing message must arrive.

    Yields:
        Messages; None while nothing arrives, so that the caller can stop waiting.

    Raises:
        BusUnreachable: Existing messages did not arrive in time.
        BusError: Kafka refused, or removed messages meanwhile.
    """
    left = {p for p in start if end is None or start[p] < end[p]}
    if not left:
        return
    settings: dict[str, Any] = {
        "group.id": "labelmill-reader",
        "enable.auto.commit": False,
        "enable.partition.eof": end is not None,
        # Never silently read from another offset.
        "auto.offset.reset": "error",
        "queued.max.messages.kbytes": 64 << 10,
    }
    consumer = Consumer(client_conf(brokers, **settings))
    try:
        consumer.assign([TopicPartition(topic, p, start[p]) for p in sorted(left)])
        silent = 0.0
        while left:
            found = consumer.consume(_AT_ONCE, _TICK)
            silent = 0.0 if found else silent + _TICK
            if end is not None and silent > timeout:
                raise unreachable(brokers, timeout, "existing messages did not arrive")
            if not found:
                yield None
            for message in found:
                partition, offset, error = message.partition(), message.offset(), message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    if error.retriable() and not error.fatal():
                        continue
                    raise BusError(f"reading {topic}[{partition}] from {brokers}: {error.str()}")
                if partition not in left:
                    continue
                if error is None and (end is None or offset < end[partition]):
                    yield Read(partition, offset, message.value())
                # The end of a partition also ends logs whose last offsets are not messages
                # (compacted away, or transaction markers).
                if end is not None and (error is not None or offset + 1 >= end[partition]):
                    yield Read(partition, end[partition] - 1, None, message=False)
                    left.discard(partition)
                    consumer.pause([TopicPartition(topic, partition)])
    except KafkaException as error:
        raise BusError(f"reading {topic} from {brokers}: {error}") from None
    finally:
        consumer.close()
