"""Messages → labels and both outgoing messages, in pieces that fit into memory.

A message that cannot be labelled becomes a dead letter with a reason; it never stops the stream.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark import Broadcast

from labelmill.bus.envelope import Envelope, decode
from labelmill.bus.payload import decoded_bytes, image_id_in, pixels_of
from labelmill.domain.labels import decide, entropy
from labelmill.errors import EnvelopeError, ImageError, InputError, LabelmillError
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.label_messages import Task, dead_letter, enriched

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


def broadcast_bytes(broadcast: Broadcast[bytes]) -> bytes:
    """What ``functools.partial`` makes an artifact's source of."""
    return broadcast.value


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


def label_columns(
    predictor: Predictor, images: list[np.ndarray], bound: float
) -> list[dict[str, Any]]:
    """The columns of ``labels`` that the model decides, one dict an image.

    Args:
        predictor: Of the version.
        images: Arrays (H, W, C), uint8 or uint16.
        bound: Least probability that is accepted, 0..1.

    Raises:
        InputError: The model's preparation cannot take these images.
    """
    try:
        probabilities = np.asarray(predictor.predict(images), "<f4")
    except ValueError as error:
        if isinstance(error, LabelmillError):
            raise
        raise InputError(f"the model cannot take images {images[0].shape}: {error}") from error
    best = probabilities.argmax(axis=1)
    top = probabilities[np.arange(len(images)), best]
    return [
        {
            "class": predictor.classes[index],
            "probability": float(p),
            "probabilities": row.tobytes(),
            "entropy": float(h),
            "decision": str(decision),
        }
        for index, p, row, h, decision in zip(
            best, top, probabilities, entropy(probabilities), decide(top, bound), strict=True
        )
    ]


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
