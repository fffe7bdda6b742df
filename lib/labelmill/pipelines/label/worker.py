"""What executors do for the stream: messages in, labels and outgoing messages out.

A message that cannot be labelled becomes a dead letter with a reason; it never stops the stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from labelmill.bus.envelope import Envelope, decode
from labelmill.bus.payload import array_needs, image_id_in, pixels_of
from labelmill.errors import EnvelopeError, ImageError
from labelmill.inference.cache import predictor_of
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.label.messages import LabelTask, dead_letter, enrich
from labelmill.pipelines.predict.labels import label_columns, storable

COLLECTION_CAP = 256
"""Most bytes of a collection's name: it is part of Kudu's key, which is limited to 16 KiB."""

PIECE_BYTES = 64 << 20
"""Most bytes of messages and pixels in memory at a time; a larger image is labelled alone."""

POOL_ROWS = 1024
"""Most messages labelled together; larger pools gain nothing."""

NO_VALUE = "no_value"
"""Reason of a message without a value, which a compacted topic has for what was deleted. It is counted,
as ingest counts it, and nothing goes out for it."""

LABEL_COLUMNS = (
    "collection", "image_id", "class", "probability", "probabilities", "entropy", "decision",
    "batch_id", "labelled_at",
)  # fmt: skip
"""Columns of a label. What differs between micro-batches is among them: as literals of a query,
numbers and times would make Spark compile new classes for each micro-batch."""

ROW_SCHEMA = pa.schema([
    ("reason", pa.string()),  # null: labelled; NO_VALUE: neither a label nor a dead letter
    ("collection", pa.string()),
    ("image_id", pa.string()),
    ("class", pa.string()),
    ("probability", pa.float32()),
    ("probabilities", pa.binary()),
    ("entropy", pa.float32()),
    ("decision", pa.string()),
    ("batch_id", pa.int64()),
    ("labelled_at", pa.timestamp("us", "UTC")),
    ("partition", pa.int32()),
    ("offset", pa.int64()),
    ("key", pa.binary()),
    ("value", pa.binary()),
])  # fmt: skip
"""What comes back: one row per message, either a label or a dead letter with its reason."""

# What a message's own content can raise. An `ArtifactError`, a lack of memory or of disk space is
# not the message's fault: it ends the task, because every later message would fail the same way.
_MESSAGE_FAULTS = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)


def records_at_once(message_cap: int) -> int:
    """Number of messages of up to `message_cap` bytes that one Arrow batch may hold.

    Spark cuts Arrow batches by rows, and the JVM builds them before Python sees them.
    """
    return max(1, min(POOL_ROWS, PIECE_BYTES // message_cap))


def label_batches(
    batches: Iterator[pa.RecordBatch], task: LabelTask, artifact: Callable[[], bytes]
) -> Iterator[pa.RecordBatch]:
    """Runs on executors (``mapInArrow``): messages to rows.

    Args:
        batches: Columns ``key``, ``value``, ``topic``, ``partition``, ``offset``.
        task: Of the micro-batch.
        artifact: Returns the artifact's bytes; called when this worker has no predictor of it yet.

    Yields:
        Batches of `ROW_SCHEMA`, one row per message.

    Raises:
        ArtifactError: The artifact cannot be read, or its graph does not run (the driver verified
            it, so the job must stop).
    """
    for pool in _pool(batches):
        rows = label_messages(pool, predictor_of(task.sha256, artifact), task)
        yield pa.RecordBatch.from_pylist(rows, schema=ROW_SCHEMA)


def label_messages(
    messages: list[dict[str, Any]], predictor: Predictor, task: LabelTask
) -> list[dict[str, Any]]:
    """Labels messages.

    Args:
        messages: Dicts with ``key``, ``value``, ``topic``, ``partition``, ``offset``.
        predictor: Of the pinned version.
        task: Of the micro-batch.

    Returns:
        One dict of `ROW_SCHEMA` per message, in any order.

    Raises:
        ArtifactError: The model's graph does not run.
    """
    rows: list[dict[str, Any]] = []
    piece: list[_Message] = []
    size = 0
    for raw in messages:
        if raw["value"] is None:
            place = {name: raw[name] for name in ("partition", "offset")}
            rows.append({"reason": NO_VALUE, **place})
            continue
        try:
            message = _read(raw, task)
            # A PNG of 500 kB may hold 500 MB of pixels; its header gives the size before decoding.
            more = array_bytes_within_cap(message.envelope, predictor, task)
        except _MESSAGE_FAULTS as error:
            rows.append(_dead_letter_row(raw, error, task))
            continue
        if piece and size + more > PIECE_BYTES:
            rows += _label_piece(piece, predictor, task)
            piece, size = [], 0
        piece.append(message)
        size += more
    return rows + _label_piece(piece, predictor, task)


def array_bytes_within_cap(envelope: Envelope, predictor: Predictor, task: LabelTask) -> int:
    """Bytes of the array that will be decoded; 0 for a view of the message, or what is refused anyway.

    Raises:
        ImageError: More than `LabelTask.memory_cap`.
    """
    needs = array_needs(envelope, task.pixel_cap)
    if needs is None:
        return 0
    found = 2 * needs.array + predictor.artifact.preparation.memory(needs.shape)
    if found > task.memory_cap:
        height, width, channels = needs.shape
        raise ImageError(
            "too_much_memory",
            f"an image of {height:,}×{width:,} with up to {channels} channels needs about {found >> 20:,} "
            f"MiB to be decoded and prepared; this stream takes {task.memory_cap >> 20:,} "
            "(--image-memory)",
        )
    return needs.array


def _pool(batches: Iterator[pa.RecordBatch]) -> Iterator[list[dict[str, Any]]]:
    # Arrow batches are small because messages may be large; the model runs faster on many images.
    pool: list[dict[str, Any]] = []
    size = 0
    for batch in batches:
        for raw in batch.to_pylist():
            pool.append(raw)
            size += len(raw["value"] or b"")
            if len(pool) == POOL_ROWS or size >= PIECE_BYTES:
                yield pool
                pool, size = [], 0
    if pool:
        yield pool


@dataclass
class _Message:
    """A message that was read: its envelope, and where its label belongs."""

    raw: dict[str, Any]
    envelope: Envelope
    collection: str
    image_id: str


def _read(raw: dict[str, Any], task: LabelTask) -> _Message:
    envelope = decode(raw["value"])
    collection = envelope.header.get("collection", task.collection)
    if (
        not isinstance(collection, str)
        or not 0 < len(collection.encode()) <= COLLECTION_CAP
        or "\0" in collection
    ):
        raise EnvelopeError(
            "bad_collection", f"collection {str(collection)[:80]!r}; expected a name of 1 to "
            f"{COLLECTION_CAP} bytes"
        )  # fmt: skip
    return _Message(raw, envelope, collection, image_id_in(envelope))


def _label_piece(
    piece: list[_Message], predictor: Predictor, task: LabelTask
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    read: list[tuple[_Message, np.ndarray]] = []
    for message in piece:
        try:
            read.append((message, pixels_of(message.envelope, task.pixel_cap)))
        except _MESSAGE_FAULTS as error:
            rows.append(_dead_letter_row(message.raw, error, task))
    answers = label_columns(predictor, [pixels for _, pixels in read], task.threshold)
    for (message, _), answer in zip(read, answers, strict=True):
        if not isinstance(answer, dict):
            rows.append(dead_letter(message.raw, "not_preparable", str(answer), task))
            continue
        try:
            rows.append(_labelled_row(message, answer, task))
        except _MESSAGE_FAULTS as error:
            rows.append(_dead_letter_row(message.raw, error, task))
    return rows


def _labelled_row(message: _Message, answer: dict[str, Any], task: LabelTask) -> dict[str, Any]:
    return {
        "reason": None,
        "collection": message.collection,
        "image_id": message.image_id,
        **storable(answer),
        "batch_id": task.batch_id,
        "labelled_at": task.labelled_at,
        "partition": message.raw["partition"],
        "offset": message.raw["offset"],
        "key": message.image_id.encode(),
        "value": enrich(message.envelope, message.collection, message.image_id, answer, task),
    }


def _dead_letter_row(raw: dict[str, Any], error: Exception, task: LabelTask) -> dict[str, Any]:
    if isinstance(error, (EnvelopeError, ImageError)):
        return dead_letter(raw, error.reason, str(error), task)
    return dead_letter(raw, "unreadable", f"{type(error).__name__}: {error}", task)
