"""Topics: whether they exist, their offset ranges, and their largest message."""

from __future__ import annotations

import difflib
import logging
from typing import Any, cast

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource
from confluent_kafka.cimpl import NewTopic

from labelmill.errors import BusError, BusUnreachable, UnknownTopic

DEFAULT_TIMEOUT = 30.0

MESSAGE_OVERHEAD = 512
"""Room in a message for record framing and batch header, in bytes (they need about 150)."""

_silent = logging.getLogger("labelmill.librdkafka")
# librdkafka prints each failed connection attempt to stderr; the errors raised here report it once.
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


def client_conf(brokers: str, **more: Any) -> dict[str, Any]:
    """Settings every client of ours shares: the brokers, and no chatter on stderr."""
    return {
        "bootstrap.servers": brokers,
        "client.id": "labelmill",
        "logger": _silent,
        "error_cb": _ignore,  # fatal ones come through the call that meets them
        **more,
    }


def require_topic(brokers: str, topic: str, timeout: float = DEFAULT_TIMEOUT) -> int:
    """How many partitions ``topic`` has.

    Raises:
        UnknownTopic: It does not exist; the message suggests the closest names and how to create it.
        BusUnreachable: No broker answered within ``timeout`` seconds.
    """
    # Not list_topics(topic): asking for one name makes brokers with auto creation create it.
    topics = _metadata(brokers, timeout).topics
    if topic in topics and topics[topic].error is None:
        return len(topics[topic].partitions)
    own = sorted(name for name in topics if not name.startswith("__"))
    near = difflib.get_close_matches(topic, own, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    raise UnknownTopic(
        f"topic {topic!r} does not exist on {brokers}; it has: {', '.join(own[:20]) or '(none)'}."
        f"{hint} Publishing and labelling create topics with --create-topics; so does your broker's "
        "own tool."
    )


def ensure_topic(
    brokers: str, topic: str, partitions: int = 2, timeout: float = DEFAULT_TIMEOUT
) -> None:
    """Creates ``topic`` unless it exists (an existing one is left as it is).

    Raises:
        BusUnreachable: No broker answered within ``timeout`` seconds.
        BusError: The brokers refused, for example for lack of rights or an illegal name.
    """
    if topic in _metadata(brokers, timeout).topics:
        return
    new = NewTopic(topic, num_partitions=partitions, replication_factor=-1)
    admin = _admin(brokers)  # kept in a name: the future dies with its client
    try:
        admin.create_topics([new], operation_timeout=timeout)[topic].result(timeout)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise BusError(
                f"topic {topic!r} could not be created on {brokers}: {_text(error)}"
            ) from None
    except TimeoutError:
        raise unreachable(brokers, timeout, "creating the topic was not confirmed") from None


def end_offsets(brokers: str, topic: str, timeout: float = DEFAULT_TIMEOUT) -> dict[int, int]:
    """The offset after the last message, per partition.

    Raises:
        UnknownTopic: The topic does not exist.
        BusUnreachable: No broker answered within ``timeout`` seconds.
    """
    return {p: end for p, (_, end) in offset_ranges(brokers, topic, timeout).items()}


def offset_ranges(
    brokers: str, topic: str, timeout: float = DEFAULT_TIMEOUT
) -> dict[int, tuple[int, int]]:
    """The offset of the first message and the one after the last, per partition.

    Raises:
        UnknownTopic: The topic does not exist.
        BusUnreachable: No broker answered within ``timeout`` seconds.
    """
    count = require_topic(brokers, topic, timeout)
    consumer = Consumer(client_conf(brokers, **{"group.id": "labelmill-offsets"}))
    try:
        return {
            p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=timeout)
            for p in range(count)
        }
    except KafkaException as error:
        raise unreachable(brokers, timeout, _text(error)) from None
    finally:
        consumer.close()


class TopicIdentity:
    """Tells a topic from another of the same name that was made after it was deleted.

    Args:
        brokers: ``HOST:PORT[,HOST:PORT…]``.
        topic: Its name.
        timeout: Seconds.
    """

    def __init__(self, brokers: str, topic: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        self._brokers, self._topic, self._timeout = brokers, topic, timeout
        self._client = _admin(brokers)

    def read(self) -> str:
        """The id that the brokers gave the topic; empty where they give none (before Kafka 2.8).

        Raises:
            UnknownTopic: It does not exist.
            BusUnreachable: No broker answered.
        """
        names = TopicCollection([self._topic])
        try:
            found = self._client.describe_topics(names, request_timeout=self._timeout)[self._topic]
            described = found.result(self._timeout)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise UnknownTopic(
                    f"topic {self._topic!r} does not exist on {self._brokers}"
                ) from None
            raise unreachable(self._brokers, self._timeout, _text(error)) from None
        except TimeoutError:
            raise unreachable(self._brokers, self._timeout, "no answer about the topic") from None
        return str(described.topic_id or "")


def message_cap(brokers: str, topic: str, timeout: float = DEFAULT_TIMEOUT) -> int:
    """The topic's ``max.message.bytes``.

    Raises:
        BusUnreachable: No broker answered within ``timeout`` seconds.
    """
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    admin = _admin(brokers)
    try:
        entries = admin.describe_configs([resource])[resource].result(timeout)
    except (KafkaException, TimeoutError) as error:
        raise unreachable(brokers, timeout, str(error)) from None
    return int(entries["max.message.bytes"].value)


def unreachable(brokers: str, timeout: float, found: str) -> BusUnreachable:
    """The error for brokers that do not answer."""
    return BusUnreachable(
        f"no Kafka broker at {brokers} answered within {timeout:g} s ({found}). "
        "Is it running? `bin/labelmill up` starts one; LABELMILL_KAFKA_BROKERS or "
        "--kafka-brokers names yours."
    )


def _metadata(brokers: str, timeout: float) -> Any:
    try:
        return _admin(brokers).list_topics(timeout=timeout)
    except KafkaException as error:
        raise unreachable(brokers, timeout, _text(error)) from None


def _admin(brokers: str) -> AdminClient:
    return AdminClient(client_conf(brokers))


def _text(error: KafkaException) -> str:
    return cast(str, error.args[0].str()) if isinstance(error.args[0], KafkaError) else str(error)


def _ignore(_: KafkaError) -> None:
    pass
