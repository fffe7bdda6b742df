"""An envelope's payload as pixels, and which image it is.

Encodings (header key ``encoding``):

``png``
    The source file's own bytes (default). The image's id is their SHA-256; a header that names
    another id is refused, because the label would be stored under the wrong image.
``raw``
    Array bytes, C order, little-endian, with ``shape`` (height, width, channels) and ``dtype``
    (``uint8`` or ``uint16``). ``image_id`` is required: the source file is not in the message.
``pixels-png``
    The pixels losslessly as a PNG file of our own, where the raw array is too large for the
    topic. ``image_id`` is required for the same reason.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from labelmill.bus.envelope import Envelope
from labelmill.domain.codecs.png.chunks import SAMPLES, SIGNATURE
from labelmill.domain.codecs.png.codec import decode_png, encode_png
from labelmill.domain.images.image import from_bytes, image_id_of
from labelmill.errors import EnvelopeError, InputError

ENCODINGS = ("png", "raw", "pixels-png")
_DTYPES = ("uint8", "uint16")
_IMAGE_ID = re.compile(r"[0-9a-f]{64}")
_PNG_SIZE = struct.Struct(">IIBB")
_PALETTE = 3


def of_array(data: bytes, shape: tuple[int, int, int], dtype: str, **header: Any) -> Envelope:
    """An envelope around stored array bytes, exactly as they are.

    Args:
        data: Array bytes, C order, little-endian.
        shape: Height, width, channels.
        dtype: ``uint8`` or ``uint16``.
        header: Further header keys; ``image_id`` must be among them. ``None`` values are left out.
    """
    known = {k: v for k, v in header.items() if v is not None}
    return Envelope({**known, "encoding": "raw", "shape": list(shape), "dtype": dtype}, data)


def smaller(envelope: Envelope) -> Envelope:
    """The same pixels of a ``raw`` envelope as a lossless PNG; others come back unchanged."""
    if envelope.header.get("encoding") != "raw":
        return envelope
    rest = {k: v for k, v in envelope.header.items() if k not in ("shape", "dtype")}
    return Envelope(
        {**rest, "encoding": "pixels-png"},
        encode_png(_array(envelope.header, envelope.payload, math.inf)),
    )


def image_id_in(envelope: Envelope) -> str:
    """Which image the message carries.

    Raises:
        EnvelopeError: ``id_mismatch``, ``no_image_id``, ``bad_image_id`` or ``unknown_encoding``.
    """
    encoding, named = _encoding(envelope.header), envelope.header.get("image_id")
    if named is not None and not (isinstance(named, str) and _IMAGE_ID.fullmatch(named)):
        raise EnvelopeError(
            "bad_image_id", f"image_id {named!r}; expected 64 lower-case hexadecimal digits"
        )
    if encoding == "png":
        actual = image_id_of(envelope.payload)
        if named is not None and named != actual:
            raise EnvelopeError(
                "id_mismatch", f"the header says image {named}, the payload's SHA-256 is {actual}"
            )
        return actual
    if named is None:
        raise EnvelopeError(
            "no_image_id", f"encoding {encoding!r} needs image_id in the header: "
            "the source file, whose SHA-256 it is, is not in the message"
        )  # fmt: skip
    return str(named)


def pixels_of(envelope: Envelope, pixel_cap: int = 64_000_000) -> np.ndarray:
    """Decodes the payload.

    Args:
        envelope: The message.
        pixel_cap: Images of more pixels (height × width) are refused before decoding.

    Returns:
        Array (H, W, C), uint8 or uint16.

    Raises:
        EnvelopeError: ``unknown_encoding``, ``bad_shape`` or ``too_many_pixels``.
        ImageError: The PNG cannot be decoded; reasons as for ingesting.
    """
    if _encoding(envelope.header) == "raw":
        return _array(envelope.header, envelope.payload, pixel_cap)
    return decode_png(envelope.payload, pixel_cap)


class ArrayNeeds(NamedTuple):
    """What an image takes in memory, as far as its header tells; nothing is decoded.

    Attributes:
        shape: Height, width, channels; a palette and possible transparency count.
        array: Bytes of the array that `pixels_of` makes, at most; 0 for a view of the message. While it
            decodes a file, it holds the samples once more.
    """

    shape: tuple[int, int, int]
    array: int


def array_needs(envelope: Envelope, pixel_cap: int = 64_000_000) -> ArrayNeeds | None:
    """What `pixels_of` would take; None for what it refuses before it takes memory."""
    if envelope.header.get("encoding") == "raw":
        try:
            array = _array(envelope.header, envelope.payload, pixel_cap)
        except EnvelopeError:
            return None
        return ArrayNeeds(array.shape, 0)  # a view of the payload
    data = envelope.payload
    if not data.startswith(SIGNATURE) or len(data) < 16 + _PNG_SIZE.size:
        return None
    width, height, depth, colour = _PNG_SIZE.unpack_from(data, 16)
    if width * height > pixel_cap:
        return None
    samples = SAMPLES.get(colour, 0)
    channels = 4 if colour == _PALETTE else samples + samples % 2  # room for transparency
    array_bytes = int(width * height * channels * (2 if depth == 16 else 1))
    return ArrayNeeds((height, width, channels), array_bytes)


def _encoding(header: Mapping[str, Any]) -> str:
    encoding = header.get("encoding", "png")
    if encoding not in ENCODINGS:
        raise EnvelopeError(
            "unknown_encoding", f"encoding {encoding!r}; expected one of {', '.join(ENCODINGS)}"
        )
    return str(encoding)


def _array(header: Mapping[str, Any], payload: bytes, pixel_cap: float) -> np.ndarray:
    shape, dtype = header.get("shape"), header.get("dtype")
    if (
        not isinstance(shape, list)
        or len(shape) != 3
        or not all(type(n) is int and n > 0 for n in shape)
        or shape[2] > 4
        or not isinstance(dtype, str)
        or dtype not in _DTYPES
    ):
        raise EnvelopeError(
            "bad_shape", f"shape {shape!r}, dtype {dtype!r}; expected [height, width, channels 1..4] "
            "and uint8 or uint16"
        )  # fmt: skip
    if shape[0] * shape[1] > pixel_cap:
        raise EnvelopeError(
            "too_many_pixels", f"{shape[1]}×{shape[0]} pixels; the cap is {pixel_cap}"
        )
    try:
        return from_bytes(payload, (shape[0], shape[1], shape[2]), dtype)
    except InputError as error:
        raise EnvelopeError("bad_shape", str(error)) from None
