"""Runs on executors: messages of a topic to rows of ``FILES``.

An image's id is the hash of its bytes (decision 0065): of the payload where that is the source file, else
of its pixels as a netpbm file. An id that a message only claims becomes an attribute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark import Accumulator, TaskContext

from labelmill.bus.envelope import Envelope, decode
from labelmill.bus.payload import image_id_in, pixels_of
from labelmill.domain.codecs.netpbm.codec import encode_netpbm
from labelmill.domain.timestamps import parse_timestamp
from labelmill.errors import EnvelopeError, ImageError
from labelmill.sources.base import FILES
from labelmill.sources.metadata import attributes_of, escape_nul, parse_class, parse_split

HEADER_KEYS = frozenset((
    "collection", "image_id", "uri", "class", "split", "source_time",
    "encoding", "shape", "dtype", "label", "error", "payload_left_out",
))  # fmt: skip
"""Header keys of the envelope; all others are attributes."""

CLAIMED_ID = "message_image_id"
"""Attribute for the id that a message claims for a source file that it does not carry."""

_HEAD = 64
_BATCH_BYTES = 16 << 20

# The end of the year 9999, the last that Python's datetime holds.
_LAST_MICROS = 253_402_300_799_999_999
# What a message's content can raise, besides our own errors.
_FAULTS = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)

EmptyMessages = dict[tuple[int, int], int]
"""Messages without a value: (wave, task) → number. A task that runs twice sets the same entry twice."""


@dataclass(frozen=True)
class MessageReader:
    """Picklable function for ``mapInArrow``.

    Attributes:
        topic: Name.
        wave: Number of the wave.
        pixel_cap: Larger images are refused before decoding.
        empty: Receives the numbers of messages without a value.
    """

    topic: str
    wave: int
    pixel_cap: int
    empty: Accumulator[EmptyMessages] | None = None

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Columns ``value``, ``partition``, ``offset``, ``timestamp`` to batches of ``FILES``."""
        empty = 0
        rows: list[dict[str, Any]] = []
        size = 0
        for batch in batches:
            for raw in _rows(batch):
                if raw["value"] is None:
                    empty += 1
                    continue
                rows.append(file_of(raw, self.topic, self.pixel_cap))
                size += len(rows[-1]["data"] or b"")
                if size >= _BATCH_BYTES:
                    yield pa.RecordBatch.from_pylist(rows, FILES)
                    rows, size = [], 0
            if rows:
                yield pa.RecordBatch.from_pylist(rows, FILES)
                rows, size = [], 0
        task = TaskContext.get()
        if empty and self.empty is not None and task is not None:
            self.empty.add({(self.wave, task.partitionId()): empty})


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    # Producers can set any time.
    position = batch.schema.get_field_index("timestamp")
    micros = batch.column(position).cast(pa.int64())
    late = pc.greater(micros, _LAST_MICROS)
    valid = pc.if_else(late, pa.scalar(None, pa.int64()), micros)
    times = valid.cast(batch.schema.field(position).type)
    return batch.set_column(position, "timestamp", times).to_pylist()  # type: ignore[no-any-return]


def file_of(raw: dict[str, Any], topic: str, pixel_cap: int) -> dict[str, Any]:
    """The row of ``FILES`` of one message.

    Args:
        raw: ``value``, ``partition``, ``offset``, ``timestamp`` (datetime, UTC).
        topic: Name.
        pixel_cap: See `MessageReader`.
    """
    value: bytes = raw["value"]
    address = f"kafka:{topic}/{raw['partition']}/{raw['offset']}"
    row: dict[str, Any] = dict.fromkeys(FILES.names)
    row |= {"uri": address, "size": len(value), "origin": "message"}
    row["source_time"] = _kafka_time(raw["timestamp"])
    try:
        envelope = decode(value)
        row |= _metadata_of(envelope.header, row)
        row["data"], is_source = _image(envelope, pixel_cap)
        if not is_source:
            row["uri"] += ".pnm"
        row["size"] = len(row["data"])
    except (EnvelopeError, ImageError) as error:
        row |= {"uri": address, "fault": f"{error.reason}: {error}", "data": value[:_HEAD]}
    except _FAULTS as error:
        row |= {"uri": address, "fault": f"bad_header: {error}", "data": value[:_HEAD]}
    return row


def _metadata_of(header: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """The columns that the header sets; `row` has what is known without it."""
    columns: dict[str, Any] = {}
    if isinstance(uri := header.get("uri"), str) and uri:
        columns["uri"] = escape_nul(uri)
    columns["class"] = parse_class(header.get("class")) or None
    columns["split"] = parse_split(header.get("split") or None)
    columns["source_time"] = _parse_time(header.get("source_time")) or row["source_time"]
    rest = {key: value for key, value in header.items() if key not in HEADER_KEYS}
    if header.get("encoding", "png") != "png" and header.get("image_id") is not None:
        rest[CLAIMED_ID] = header["image_id"]
    columns["attributes"] = attributes_of(rest)
    return columns


def _image(envelope: Envelope, pixel_cap: int) -> tuple[bytes, bool]:
    """The bytes of an image file, and whether they are the source file itself."""
    if left_out := envelope.header.get("payload_left_out"):
        raise EnvelopeError(
            "no_payload", f"the payload of {left_out} bytes was left out on the way"
        )
    if envelope.header.get("encoding", "png") == "png":
        image_id_in(envelope)  # raises when it is not the payload's id
        return envelope.payload, True
    return encode_netpbm(pixels_of(envelope, pixel_cap)), False


def _parse_time(text: Any) -> datetime | None:
    try:
        return parse_timestamp(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _kafka_time(moment: datetime | None) -> datetime | None:
    """Kafka's own time; one before 1970 means that the message has none."""
    return moment if moment and moment >= datetime(1970, 1, 1, tzinfo=timezone.utc) else None
