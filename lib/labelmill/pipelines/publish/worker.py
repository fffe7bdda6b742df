"""Sends images to Kafka, on executors for a slice, on the driver for a folder or training set."""

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
"""Columns that publishing needs; ``class`` and ``uri`` are sent only with labels."""

ROWS_AT_ONCE = 256
"""Rows whose pixels are copied to Python objects at a time."""

_SAMPLES = 5


@dataclass
class PublishTotals:
    """Counts of what was published.

    Attributes:
        messages: Messages confirmed by the brokers.
        bytes: Bytes of their values.
        recoded: Messages sent as lossless PNG because the raw array exceeds the topic's limit.
        left_out: Images that exceed the limit even as PNG.
        without_pixels: Rows whose pixels are null.
        too_large: Up to five image ids of those left out.
        error: The error that ended the sending early; empty when there was none.
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

    def plus(self, other: PublishTotals) -> PublishTotals:
        """The sum of two counts; the first error wins."""
        total = PublishTotals(**{
            f.name: getattr(self, f.name) + getattr(other, f.name)
            for f in fields(self)
            if f.name not in ("error", "exit_code")
        })  # fmt: skip
        total.too_large = total.too_large[:_SAMPLES]
        total.error = self.error or other.error
        total.exit_code = self.exit_code or other.exit_code
        return total


TOTALS_SCHEMA = pa.schema([
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
) -> PublishTotals:
    """Sends envelopes with their image id as key and waits for every confirmation.

    Args:
        envelopes: With ``image_id`` in their headers; None stands for a row without pixels.
        brokers: ``HOST:PORT[,…]``.
        topic: An existing topic.
        timeout: Seconds to wait for each message's confirmation.
        rate: Most messages per second.

    Raises:
        BusError: The brokers did not accept a message.
    """
    totals, started, tried = PublishTotals(), time.monotonic(), 0
    with Sender(brokers, topic, timeout) as sender:
        for envelope in envelopes:
            if envelope is None:
                totals.without_pixels += 1
                continue
            key, value = envelope.header["image_id"].encode(), encode(envelope)
            if not sender.fits(key, value):
                value = encode(smaller(envelope))
                if not sender.fits(key, value):
                    totals.left_out += 1
                    totals.too_large = [*totals.too_large, key.decode()][:_SAMPLES]
                    continue
                totals.recoded += 1
            if rate:
                time.sleep(max(0.0, started + tried / rate - time.monotonic()))
            tried += 1
            sender.send(key, value)
            totals.bytes += len(value)
    totals.messages = sender.sent
    return totals


def envelope_of(row: Mapping[str, Any], with_labels: bool) -> Envelope | None:
    """A row of a slice as a message with exactly the stored pixels; None when they are null.

    Without labels the message has no ``uri`` either: paths such as ``7/123.png`` or ``cat.1.png``
    reveal the class, and ``image_id`` identifies the image.
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
    """Runs on executors (``mapInArrow``): sends a partition, yields one row of `PublishTotals`.

    A `LabelmillError` comes back as a value, so that the job ends with its exit code at once; Spark
    would retry the task four times and report a traceback.
    """
    rows = (
        envelope_of(row, with_labels)
        for batch in batches
        for part in _slices(batch)
        for row in part.to_pylist()
    )
    try:
        totals = send(rows, brokers, topic, timeout, rate)
    except LabelmillError as error:
        totals = PublishTotals(error=str(error), exit_code=error.exit_code)
    yield pa.RecordBatch.from_pylist([asdict(totals)], schema=TOTALS_SCHEMA)


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    starts = range(0, batch.num_rows, ROWS_AT_ONCE)
    return (batch.slice(start, ROWS_AT_ONCE) for start in starts)
