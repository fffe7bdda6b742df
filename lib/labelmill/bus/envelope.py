"""One message as bytes and back: no Kafka in here.

Byte layout of an envelope::

    4 bytes   b"LMI1"                       magic with the layout's version
    4 bytes   length of the header, unsigned, big-endian
    n bytes   header, a JSON object in UTF-8 (keys sorted, so equal records are equal bytes)
    rest      payload

A value that begins with the PNG signature is an envelope too: an empty header and the whole
value as payload, so that any producer of PNG files can feed a stream without our code.

Header keys in use (all optional): ``collection``, ``image_id``, ``uri``, ``class`` (the truth),
``encoding`` with ``shape`` and ``dtype`` (see `payload`), ``label`` (in enriched messages) and
``error`` (in dead letters).
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any

from labelmill.errors import EnvelopeError

MAGIC = b"LMI1"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER_CAP = 1 << 20
"""Headers above 1 MiB are refused before parsing: a length field of garbage must not cost memory."""

_PREFIX = struct.Struct(">4sI")


@dataclass(frozen=True)
class Envelope:
    """A message: what is known about an image, and its bytes."""

    header: dict[str, Any] = field(default_factory=dict)
    payload: bytes = b""


def encode(envelope: Envelope) -> bytes:
    """The envelope's bytes; equal envelopes give equal bytes."""
    header = _header_bytes(envelope.header)
    return _PREFIX.pack(MAGIC, len(header)) + header + envelope.payload


def decode(value: bytes | None) -> Envelope:
    """Reads one message.

    Raises:
        EnvelopeError: ``not_an_envelope`` (neither magic nor PNG signature), ``truncated``
            (ends before its header does) or ``bad_header`` (not a JSON object in UTF-8, or one
            that could not go on in another message).
    """
    if not value:
        raise EnvelopeError("not_an_envelope", "received an empty message; expected an envelope")
    if value.startswith(PNG_SIGNATURE):
        return Envelope({}, value)
    if not value.startswith(MAGIC):
        raise EnvelopeError(
            "not_an_envelope",
            f"received {len(value)} bytes that begin with {value[:8]!r}; "
            f"expected {MAGIC!r} or a PNG file",
        )
    if len(value) < _PREFIX.size:
        raise EnvelopeError(
            "truncated", f"received {len(value)} bytes; the prefix alone has {_PREFIX.size}"
        )
    _, length = _PREFIX.unpack_from(value)
    end = _PREFIX.size + length
    if length > HEADER_CAP:
        raise EnvelopeError("bad_header", f"header of {length} bytes; at most {HEADER_CAP}")
    if end > len(value):
        raise EnvelopeError(
            "truncated", f"the header should end at byte {end}, the message has {len(value)}"
        )
    try:
        header = json.loads(value[_PREFIX.size : end])
    except (ValueError, RecursionError) as error:  # RecursionError: hostile nesting
        raise EnvelopeError("bad_header", f"the header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise EnvelopeError(
            "bad_header", f"the header is a JSON {type(header).__name__}; expected an object"
        )
    try:
        _header_bytes(header, allow_nan=False)
    except (ValueError, RecursionError) as error:
        # JSON escapes can spell lone surrogates ("\\ud800"), and Python reads NaN and 1e999: UTF-8
        # and other JSON readers can represent neither.
        raise EnvelopeError("bad_header", f"the header cannot be passed on: {error}") from None
    return Envelope(header, value[end:])


def _header_bytes(header: dict[str, Any], allow_nan: bool = True) -> bytes:
    return json.dumps(
        header,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=allow_nan,
    ).encode()
