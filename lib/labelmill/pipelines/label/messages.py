"""Messages that leave the labelling stream: enriched messages and dead letters."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from labelmill.bus.envelope import Envelope, encode
from labelmill.bus.payload import smaller


@dataclass(frozen=True)
class LabelTask:
    """What every executor task of one micro-batch needs to know.

    Attributes:
        model: Model name.
        version: The version pinned for the micro-batch.
        sha256: Of its artifact.
        query: Name of the stream.
        batch_id: Micro-batch; part of every outgoing message, so that consumers can drop repeats.
        collection: For messages that name none.
        threshold: Lowest probability that is accepted, 0..1.
        pixel_cap: Images of more pixels are refused before decoding.
        memory_cap: Images that need more bytes to be decoded and prepared are refused before.
        output_cap: Largest enriched message, in bytes of key and value.
        dead_cap: Largest dead letter.
        labelled_at: When the micro-batch began (UTC).
    """

    model: str
    version: int
    sha256: str
    query: str
    batch_id: int
    collection: str
    threshold: float
    pixel_cap: int
    memory_cap: int
    output_cap: int
    dead_cap: int
    labelled_at: datetime


def enrich(
    envelope: Envelope, collection: str, image_id: str, answer: dict[str, Any], task: LabelTask
) -> bytes:
    """The message as received plus its label; at most `LabelTask.output_cap` bytes.

    Where the model answers NaN, probability and entropy are null: JSON has no NaN.
    """
    label = {k: answer[k] for k in ("class", "probability", "entropy", "decision")}
    label |= {k: None for k in ("probability", "entropy") if math.isnan(label[k])}
    label |= {
        "model": task.model,
        "version": task.version,
        "query": task.query,
        "batch_id": task.batch_id,
    }
    known = {"collection": collection, "image_id": image_id, "label": label}
    full = Envelope({**envelope.header, **known}, envelope.payload)
    # One after the other: the smaller form of raw pixels is a PNG, which takes longer than the label.
    for form in (lambda envelope: envelope, smaller):
        value = encode(form(full))
        if len(value) + len(image_id) <= task.output_cap:
            return value
    # The label is sent even where the header that carries it makes the message too large.
    return encode(Envelope({**known, "payload_left_out": len(full.payload)}))


def dead_letter(raw: dict[str, Any], reason: str, text: str, task: LabelTask) -> dict[str, Any]:
    """The row of a message that cannot be labelled: the message as received, and the reason.

    At most `LabelTask.dead_cap` bytes. A letter that would be larger loses its payload, then its
    key (replaced by its SHA-256), then most of the text: the letter itself is always sent.
    """
    value, key = raw["value"] or b"", raw["key"]
    error = {
        "reason": reason,
        "message": text[:2000].encode(errors="replace").decode(),
        "query": task.query,
        "batch_id": task.batch_id,
        "topic": raw["topic"],
        "partition": raw["partition"],
        "offset": raw["offset"],
    }
    letter = encode(Envelope({"error": error}, value))
    if len(letter) + len(key or b"") > task.dead_cap:
        error["payload_left_out"] = len(value)
        letter = encode(Envelope({"error": error}))
    if key is not None and len(letter) + len(key) > task.dead_cap:
        error["key_left_out"], key = len(key), hashlib.sha256(key).hexdigest().encode()
        letter = encode(Envelope({"error": error}))
    if len(letter) + len(key or b"") > task.dead_cap:
        letter = encode(Envelope({"error": {**error, "message": error["message"][:20]}}))
    return {"reason": reason, "key": key, "value": letter}
