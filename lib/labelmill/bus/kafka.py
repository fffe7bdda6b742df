"""Messages into and out of Kafka, with nothing lost silently."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from labelmill.bus.topics import (
    DEFAULT_TIMEOUT,
    MESSAGE_OVERHEAD,
    client_conf,
    end_offsets,
    ensure_topic,
    message_cap,
    require_topic,
    unreachable,
)
from labelmill.errors import BusError
from labelmill.settings import Settings

__all__ = ["Sender", "end_offsets", "ensure_topic", "message_cap", "messages", "require_topic"]

_SAMPLES = 5


class Sender:
    """An idempotent producer, acknowledged by all replicas, that counts what was confirmed.

    Use it as a context manager: leaving the block waits for every confirmation.

    Args:
        brokers: ``HOST:PORT[,HOST:PORT…]``.
        topic: An existing topic.
        timeout: Seconds within which each message must be confirmed.

    Attributes:
        sent: Messages the brokers confirmed.
        cap: Largest ``len(key) + len(value)`` that the topic accepts.

    Raises:
        UnknownTopic: The topic does not exist.
        BusUnreachable: No broker answered.
    """

    def __init__(self, brokers: str, topic: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        require_topic(brokers, topic, timeout)
        self.cap = message_cap(brokers, topic, timeout) - MESSAGE_OVERHEAD
        self.sent = 0
        self._brokers, self._topic, self._timeout = brokers, topic, timeout
        self._failures: list[str] = []
        self._failed = 0
        self._producer = Producer(
            client_conf(
                brokers,
                **{
                    "acks": "all",
                    "enable.idempotence": True,
                    "linger.ms": 20,
                    "message.max.bytes": max(self.cap + MESSAGE_OVERHEAD, 1000),
                    "delivery.timeout.ms": int(timeout * 1000),
                    "request.timeout.ms": max(int(timeout * 500), 1000),
                    "queue.buffering.max.kbytes": 64 << 10,
                    "queue.buffering.max.messages": 100_000,
                },
            )
        )

    def fits(self, key: bytes, value: bytes) -> bool:
        """Whether the topic accepts a message of this size."""
        return len(key) + len(value) <= self.cap

    def send(self, key: bytes, value: bytes) -> None:
        """Queues one message; blocks while the queue is full.

        Raises:
            BusError: A message queued earlier was refused, or this one is larger than ``cap``.
        """
        self._raise_failures()
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=self._delivered)
                self._producer.poll(0)
                return
            except BufferError:
                self._producer.poll(0.1)
                if time.monotonic() > deadline:
                    raise unreachable(
                        self._brokers,
                        self._timeout,
                        "the queue of unconfirmed messages stayed full",
                    ) from None
            except KafkaException as error:
                raise BusError(
                    f"a message of {len(value)} bytes was refused for {self._topic!r}: {error}"
                ) from None

    def close(self) -> None:
        """Waits until every queued message is confirmed.

        Raises:
            BusUnreachable: Some were not confirmed in time.
            BusError: Some were refused; the message shows samples.
        """
        left = self._producer.flush(self._timeout + 1)
        self._raise_failures()
        if left:
            raise unreachable(self._brokers, self._timeout, f"{left} messages not confirmed")

    def __enter__(self) -> Sender:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._producer.purge()
            self._producer.flush(1)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.sent += 1
            return
        self._failed += 1
        if len(self._failures) < _SAMPLES:
            self._failures.append(f"key {message.key()!r}: {error.str()}")

    def _raise_failures(self) -> None:
        if self._failed:
            raise BusError(
                f"{self._failed} messages for {self._topic!r} were not accepted by {self._brokers} "
                f"({self.sent} were): {'; '.join(self._failures)}"
            )


def messages(
    brokers: str, topic: str, timeout: float = DEFAULT_TIMEOUT
) -> Iterator[tuple[bytes | None, bytes | None]]:
    """Keys and values of all messages that the topic holds now, partition by partition.

    Raises:
        UnknownTopic: The topic does not exist.
        BusUnreachable: The brokers stopped answering.
    """
    ends = end_offsets(brokers, topic, timeout)
    settings: dict[str, Any] = {
        "group.id": "labelmill-reader",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
    }
    consumer = Consumer(client_conf(brokers, **settings))
    try:
        for partition, end in ends.items():
            low, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout)
            if low >= end:
                continue
            consumer.assign([TopicPartition(topic, partition, low)])
            yield from _partition(consumer, end, brokers, timeout)
    finally:
        consumer.close()


def _partition(
    consumer: Consumer, end: int, brokers: str, timeout: float
) -> Iterator[tuple[bytes | None, bytes | None]]:
    while True:
        message = consumer.poll(timeout)
        if message is None:
            raise unreachable(brokers, timeout, "an existing message did not arrive")
        error = message.error()
        if error is not None:
            # The end of the partition also ends logs whose last offsets are not messages
            # (compacted away, or transaction markers).
            if error.code() == KafkaError._PARTITION_EOF:
                return
            raise BusError(f"reading from {brokers} failed: {error.str()}")
        if message.offset() < end:
            yield message.key(), message.value()
        if message.offset() + 1 >= end:
            return


def require_or_create(settings: Settings, topic: str, create: bool, partitions: int = 2) -> int:
    """Number of the topic's partitions; with `create`, makes the topic first if it is missing.

    Raises:
        UnknownTopic: It does not exist, and `create` is false.
        BusUnreachable: No broker answered.
    """
    brokers, timeout = settings.brokers(), settings.timeout_seconds
    if create:
        ensure_topic(brokers, topic, partitions, timeout)
    return require_topic(brokers, topic, timeout)
