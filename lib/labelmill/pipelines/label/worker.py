"""Messages → labels and both outgoing messages, in pieces that fit into memory.

A message that cannot be labelled becomes a dead letter with a reason; it never stops the stream.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from labelmill.bus.envelope import Envelope, decode
from labelmill.bus.payload import decoded_bytes, image_id_in, pixels_of
from labelmill.errors import EnvelopeError, ImageError, InputError
from labelmill.inference.cache import predictor_of
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.label.messages import Task, dead_letter, enriched
from labelmill.pipelines.predict.decide import label_columns

COLLECTION_CAP = 256
"""Bytes of a collection's name: it is part of Kudu's key, whose limit is 16 KiB in all."""


PIECE_BYTES = 64 << 20
"""Bytes of messages and decoded pixels that are in memory at a time; one larger image goes alone."""

# Whatever a message's own content can raise. An `ArtifactError`, no memory or no disk is no fault
# of the message: it ends the task, because every message after it would fail in the same way.
_FAULTS = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)


@dataclass
class _Message:
    raw: dict[str, Any]
    envelope: Envelope
    collection: str
    image_id: str


def label_messages(
    messages: list[dict[str, Any]], predictor: Predictor, task: Task
) -> list[dict[str, Any]]:
    """Labels messages; one row each, in another order.

    Raises:
        ArtifactError: The model's graph does not run.
    """
    rows: list[dict[str, Any]] = []
    piece: list[_Message] = []
    size = 0
    for raw in messages:
        try:
            message = _read(raw, task)
        except _FAULTS as error:
            rows.append(_refused(raw, error, task))
            continue
        # A PNG of 200 kB may be 200 MB of pixels: its header says so before it is decoded.
        more = decoded_bytes(message.envelope, task.pixel_cap)
        if piece and size + more > PIECE_BYTES:
            rows += _label_piece(piece, predictor, task)
            piece, size = [], 0
        piece.append(message)
        size += more
    return rows + _label_piece(piece, predictor, task)


def _read(raw: dict[str, Any], task: Task) -> _Message:
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


def _label_piece(piece: list[_Message], predictor: Predictor, task: Task) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    # Images of one shape are prepared together; a shape that the model's preparation cannot take
    # must not drag the other shapes along.
    groups: dict[object, list[tuple[_Message, np.ndarray]]] = defaultdict(list)
    for message in piece:
        try:
            pixels = pixels_of(message.envelope, task.pixel_cap)
            groups[pixels.shape, pixels.dtype].append((message, pixels))
        except _FAULTS as error:
            rows.append(_refused(message.raw, error, task))
    for group in groups.values():
        try:
            answers = label_columns(predictor, [pixels for _, pixels in group], task.bound)
        except (InputError, ImageError) as error:
            rows += [dead_letter(m.raw, "not_preparable", str(error), task) for m, _ in group]
            continue
        for (message, _), answer in zip(group, answers, strict=True):
            try:
                rows.append(_labelled(message, answer, task))
            except _FAULTS as error:
                rows.append(_refused(message.raw, error, task))
    return rows


def _labelled(message: _Message, answer: dict[str, Any], task: Task) -> dict[str, Any]:
    return {
        "reason": None,
        "collection": message.collection,
        "image_id": message.image_id,
        **answer,
        "key": message.image_id.encode(),
        "value": enriched(message.envelope, message.collection, message.image_id, answer, task),
    }


def _refused(raw: dict[str, Any], error: Exception, task: Task) -> dict[str, Any]:
    if isinstance(error, (EnvelopeError, ImageError)):
        return dead_letter(raw, error.reason, str(error), task)
    return dead_letter(raw, "unreadable", f"{type(error).__name__}: {error}", task)


ROW_SCHEMA = pa.schema([
    ("reason", pa.string()),  # null: labelled
    ("collection", pa.string()),
    ("image_id", pa.string()),
    ("class", pa.string()),
    ("probability", pa.float32()),
    ("probabilities", pa.binary()),
    ("entropy", pa.float32()),
    ("decision", pa.string()),
    ("key", pa.binary()),
    ("value", pa.binary()),
])  # fmt: skip


LABEL_COLUMNS = (
    "collection", "image_id", "class", "probability", "probabilities", "entropy", "decision",
)  # fmt: skip


POOL_ROWS = 1024
"""Messages labelled together at most; more would gain nothing."""


def records_at_once(message_cap: int) -> int:
    """How many messages of at most `message_cap` bytes one Arrow batch may hold.

    Arrow batches are cut by rows, and are built by the JVM before any of our code sees them.
    """
    return max(1, min(POOL_ROWS, PIECE_BYTES // message_cap))


def label_batches(
    batches: Iterator[pa.RecordBatch], task: Task, artifact: Callable[[], bytes]
) -> Iterator[pa.RecordBatch]:
    """``mapInArrow`` function of the stream.

    Args:
        batches: Columns ``key``, ``value``, ``topic``, ``partition``, ``offset``.
        task: Of the micro-batch.
        artifact: Gives the artifact's bytes; called when this worker has no warm predictor of it.

    Yields:
        Batches of `ROW_SCHEMA`, one row a message.

    Raises:
        ArtifactError: The artifact cannot be read, or its graph does not run (the driver verified
            it, so the job must stop).
    """
    for pool in _pooled(batches):
        rows = label_messages(pool, predictor_of(task.sha256, artifact), task)
        yield pa.RecordBatch.from_pylist(rows, schema=ROW_SCHEMA)


def _pooled(batches: Iterator[pa.RecordBatch]) -> Iterator[list[dict[str, Any]]]:
    # The stream's Arrow batches are small because messages may be large; the model wants many.
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
