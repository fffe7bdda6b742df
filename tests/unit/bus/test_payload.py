from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from labelmill.bus.envelope import Envelope
from labelmill.bus.payload import image_id_in, of_array, pixels_of, smaller
from labelmill.errors import EnvelopeError, ImageError

ID = "0" * 63 + "a"
PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_png_payload_is_its_own_name() -> None:
    data = png(PIXELS)
    envelope = Envelope({"image_id": hashlib.sha256(data).hexdigest()}, data)
    assert image_id_in(envelope) == image_id_in(Envelope({}, data)) == envelope.header["image_id"]
    assert np.array_equal(pixels_of(envelope), PIXELS)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_stored_arrays_arrive_exactly(dtype: str) -> None:
    grey = np.arange(6, dtype=dtype).reshape(2, 3, 1) * 200
    envelope = of_array(grey.tobytes(), (2, 3, 1), dtype, image_id=ID, uri=None)
    assert "uri" not in envelope.header
    again = pixels_of(envelope)
    assert again.dtype == dtype
    assert np.array_equal(again, grey)
    recoded = smaller(envelope)
    assert recoded.header["encoding"] == "pixels-png"
    assert image_id_in(recoded) == ID, "the recoded PNG is not the source file"
    assert np.array_equal(pixels_of(recoded), grey)


def test_a_flat_image_becomes_smaller() -> None:
    envelope = of_array(bytes(256 * 256), (256, 256, 1), "uint8", image_id=ID)
    assert len(smaller(envelope).payload) < 1000


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"image_id": ID}, "id_mismatch"),
        ({"image_id": "../../x"}, "bad_image_id"),
        ({"image_id": 5}, "bad_image_id"),
        ({"encoding": "raw"}, "no_image_id"),
        ({"encoding": "pixels-png"}, "no_image_id"),
        ({"encoding": "gif"}, "unknown_encoding"),
        ({"encoding": ["png"]}, "unknown_encoding"),
    ],
)
def test_a_message_of_no_certain_image_is_refused(header: dict[str, object], reason: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        image_id_in(Envelope(header, png(PIXELS)))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("shape", "dtype", "reason"),
    [
        ([2, 4], "uint8", "bad_shape"),
        ([2, 4, 5], "uint8", "bad_shape"),
        ([2, 4, 0], "uint8", "bad_shape"),
        ([2, 4, True], "uint8", "bad_shape"),
        ([2, 4, 2], "uint8", "bad_shape"),
        ([2, 4, 3], "float32", "bad_shape"),
        ([2, 4, 3], ["uint8"], "bad_shape"),
        ("2,4,3", "uint8", "bad_shape"),
        ([1 << 40, 1 << 40, 1], "uint8", "too_many_pixels"),
    ],
)
def test_a_false_shape_is_refused_before_memory_is_taken(
    shape: object, dtype: object, reason: str
) -> None:
    header = {"encoding": "raw", "shape": shape, "dtype": dtype}
    with pytest.raises(EnvelopeError) as caught:
        pixels_of(Envelope(header, PIXELS.tobytes()))
    assert caught.value.reason == reason


def test_a_broken_png_keeps_the_decoders_reason() -> None:
    with pytest.raises(ImageError) as caught:
        pixels_of(Envelope({}, png(PIXELS)[:40]))
    assert caught.value.reason == "truncated"
