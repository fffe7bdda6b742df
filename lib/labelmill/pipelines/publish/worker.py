"""Sending images to the bus: what runs where the rows are (executors, or the driver for a folder)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import pyarrow as pa

from labelmill.bus.envelope import Envelope, encode
from labelmill.bus.kafka import Sender
from labelmill.bus.payload import of_array, smaller
from labelmill.errors import LabelmillError

COLUMNS = ("collection", "image_id", "pixels", "height", "width", "channels", "dtype")
"""What a slice must have to be published; ``class`` and ``uri`` go along with the labels."""

_SAMPLES = 5


@dataclass
class Sent:
    """What became of some messages.

    Attributes:
        messages: Confirmed by the brokers.
        bytes: Of their values.
        recoded: Of these, raw arrays above the topic's limit that went as lossless PNG.
        too_large: Image ids left out because even that does not fit; at most five samples.
        left_out: How many were left out for their size.
        without_pixels: Rows whose pixels are null.
        error: What ended the sending before its end, empty when nothing did.
        exit_code: Of that error.
    """

    messages: int = 0
    bytes: int = 0
    recoded: int = 0
    left_out: int = 0
    without_pixels: int = 0
    too_large: list[str] = field(default_factory=list)
    error: str = ""
    exit_code: int = 0

    def plus(self, other: Sent) -> Sent:
        """The sum of two."""
        total = Sent(**{
            f.name: getattr(self, f.name) + getattr(other, f.name)
            for f in fields(self)
            if f.name not in ("error", "exit_code")
        })  # fmt: skip
        total.too_large = total.too_large[:_SAMPLES]
        total.error = self.error or other.error
        total.exit_code = self.exit_code or other.exit_code
        return total


SENT_SCHEMA = pa.schema([
    ("messages", pa.int64()), ("bytes", pa.int64()), ("recoded", pa.int64()),
    ("left_out", pa.int64()), ("without_pixels", pa.int64()),
    ("too_large", pa.list_(pa.string())), ("error", pa.string()), ("exit_code", pa.int64()),
])  # fmt: skip


def send(
    envelopes: Iterable[Envelope | None],
    brokers: str,
    topic: str,
    timeout: float,
    rate: float | None = None,
) -> Sent:
    """Sends envelopes with their image id as key and waits for every confirmation.

    Args:
        envelopes: With ``image_id`` in the header; None stands for a row without pixels.
        brokers: ``HOST:PORT[,…]``.
        topic: An existing topic.
        timeout: Seconds for each message's confirmation.
        rate: Messages a second at most.

    Raises:
        BusError: The brokers did not take a message.
    """
    sent, started, tried = Sent(), time.monotonic(), 0
    with Sender(brokers, topic, timeout) as sender:
        for envelope in envelopes:
            if envelope is None:
                sent.without_pixels += 1
                continue
            key, value = envelope.header["image_id"].encode(), encode(envelope)
            if not sender.fits(key, value):
                value = encode(smaller(envelope))
                if not sender.fits(key, value):
                    sent.left_out += 1
                    sent.too_large = [*sent.too_large, key.decode()][:_SAMPLES]
                    continue
                sent.recoded += 1
            if rate:
                time.sleep(max(0.0, started + tried / rate - time.monotonic()))
            tried += 1
            sender.send(key, value)
            sent.bytes += len(value)
    sent.messages = sender.sent
    return sent


def envelope_of(row: Mapping[str, Any], with_labels: bool) -> Envelope | None:
    """One row of a slice as a message with exactly the stored pixels; None when they are null.

    Without labels the message has no ``uri`` either: paths such as ``7/123.png`` or ``cat.1.png``
    tell the truth, and ``image_id`` names the image already.
    """
    if row["pixels"] is None:
        return None
    return of_array(
        row["pixels"],
        (row["height"], row["width"], row["channels"]),
        row["dtype"],
        collection=row["collection"],
        image_id=row["image_id"],
        uri=row.get("uri") if with_labels else None,
        **{"class": row.get("class") if with_labels else None},
    )


def send_batches(
    batches: Iterator[pa.RecordBatch],
    brokers: str,
    topic: str,
    timeout: float,
    with_labels: bool,
    rate: float | None,
) -> Iterator[pa.RecordBatch]:
    """``mapInArrow`` function: sends a partition, yields one row of `Sent`.

    Errors of ours come back as values, so that the driver ends with their exit code instead of
    Spark's four repetitions of the same traceback.
    """
    rows = (
        envelope_of(row, with_labels)
        for batch in batches
        for piece in _pieces(batch)
        for row in piece.to_pylist()
    )
    try:
        sent = send(rows, brokers, topic, timeout, rate)
    except LabelmillError as error:
        sent = Sent(error=str(error), exit_code=error.exit_code)
    yield pa.RecordBatch.from_pylist([asdict(sent)], schema=SENT_SCHEMA)


def _pieces(batch: pa.RecordBatch, rows: int = 256) -> Iterator[pa.RecordBatch]:
    # Python copies of the pixels of 256 rows at a time, not of the whole batch.
    return (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))
