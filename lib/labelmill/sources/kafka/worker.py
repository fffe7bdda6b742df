"""Runs on executors: messages of a topic to rows of ``FILES``.

Whose bytes an image is made of decides its id (decision 0065): the payload where it is the source file,
else the pixels as a netpbm file. An id that a message only claims is an attribute.
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
from labelmill.domain.timestamps import instant_of
from labelmill.errors import EnvelopeError, ImageError
from labelmill.sources.base import FILES
from labelmill.sources.metadata import attributes_of, class_named, quotable, split_named

HEADER_KEYS = frozenset((
    "collection", "image_id", "uri", "class", "split", "source_time",
    "encoding", "shape", "dtype", "label", "error", "payload_left_out",
))  # fmt: skip
"""Keys that mean something to the bus; all others are attributes."""

CLAIMED_ID = "message_image_id"
"""Attribute for the id that a message claims of a source file which it does not carry."""

_HEAD = 64
_BATCH_BYTES = 16 << 20

# Whatever a message's own content can raise, beside errors of ours.
_LAST_MICROS = 253_402_300_799_999_999
_FAULTS = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)

Empty = dict[tuple[int, int], int]
"""Messages without a value: (wave, task) → number. A task that runs twice says the same twice."""


@dataclass(frozen=True)
class Messages:
    """Picklable function for ``mapInArrow``.

    Attributes:
        topic: Name.
        wave: Number of the wave.
        pixel_cap: Larger images are refused before decoding.
        empty: Takes the numbers of messages without a value.
    """

    topic: str
    wave: int
    pixel_cap: int
    empty: Accumulator[Empty] | None = None

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
    # Producers set any time they like; Python's ends with the year 9999.
    place = batch.schema.get_field_index("timestamp")
    micros = batch.column(place).cast(pa.int64())
    late = pc.greater(micros, _LAST_MICROS)
    kept = pc.if_else(late, pa.scalar(None, pa.int64()), micros)
    times = kept.cast(batch.schema.field(place).type)
    return batch.set_column(place, "timestamp", times).to_pylist()  # type: ignore[no-any-return]


def file_of(raw: dict[str, Any], topic: str, pixel_cap: int) -> dict[str, Any]:
    """The row of ``FILES`` of one message.

    Args:
        raw: ``value``, ``partition``, ``offset``, ``timestamp`` (datetime, UTC).
        topic: Name.
        pixel_cap: See `Messages`.
    """
    value: bytes = raw["value"]
    place = f"kafka:{topic}/{raw['partition']}/{raw['offset']}"
    row: dict[str, Any] = dict.fromkeys(FILES.names)
    row |= {"uri": place, "size": len(value), "origin": "message"}
    row["source_time"] = _sent(raw["timestamp"])
    try:
        envelope = decode(value)
        row |= _told(envelope.header, row)
        row["data"], is_source = _image(envelope, pixel_cap)
        if not is_source:
            row["uri"] += ".pnm"
        row["size"] = len(row["data"])
    except (EnvelopeError, ImageError) as error:
        row |= {"uri": place, "fault": f"{error.reason}: {error}", "data": value[:_HEAD]}
    except _FAULTS as error:
        row |= {"uri": place, "fault": f"bad_header: {error}", "data": value[:_HEAD]}
    return row


def _told(header: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """What the header says, over what is known without it."""
    told: dict[str, Any] = {}
    if isinstance(uri := header.get("uri"), str) and uri:
        told["uri"] = quotable(uri)
    told["class"] = class_named(header.get("class")) or None
    told["split"] = split_named(header.get("split") or None)
    told["source_time"] = _made(header.get("source_time")) or row["source_time"]
    rest = {key: value for key, value in header.items() if key not in HEADER_KEYS}
    if header.get("encoding", "png") != "png" and header.get("image_id") is not None:
        rest[CLAIMED_ID] = header["image_id"]
    told["attributes"] = attributes_of(rest)
    return told


def _image(envelope: Envelope, pixel_cap: int) -> tuple[bytes, bool]:
    """The bytes of an image file, and whether they are the source file's own."""
    if left_out := envelope.header.get("payload_left_out"):
        raise EnvelopeError(
            "no_payload", f"the payload of {left_out} bytes was left out on the way"
        )
    if envelope.header.get("encoding", "png") == "png":
        image_id_in(envelope)  # an id that is not the payload's is refused
        return envelope.payload, True
    return encode_netpbm(pixels_of(envelope, pixel_cap)), False


def _made(text: Any) -> datetime | None:
    try:
        return instant_of(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _sent(moment: datetime | None) -> datetime | None:
    """Kafka's own time; before 1970 means that it has none."""
    return moment if moment and moment >= datetime(1970, 1, 1, tzinfo=timezone.utc) else None
