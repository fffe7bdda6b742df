"""Messages as files, and offsets in pieces; no Kafka."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.bus.envelope import Envelope, encode
from labelmill.bus.payload import of_array, smaller
from labelmill.domain.codecs import decode_image
from labelmill.domain.codecs.png.codec import encode_png
from labelmill.domain.images.image import image_id_of
from labelmill.sources.base import FILES
from labelmill.sources.kafka.source import split_ranges
from labelmill.sources.kafka.worker import file_of

SENT = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
PIXELS = np.arange(24, dtype=np.uint8).reshape(4, 6, 1)
PNG = encode_png(PIXELS)


def _file(message: Envelope | bytes, **raw: Any) -> dict[str, Any]:
    value = encode(message) if isinstance(message, Envelope) else message
    known = {"value": value, "partition": 1, "offset": 17, "timestamp": SENT}
    row = file_of({**known, **raw}, "t", 1000)
    assert list(row) == FILES.names
    return row


def test_a_bare_png_is_a_message() -> None:
    row = _file(PNG)
    assert {name: value for name, value in row.items() if value is not None} == {
        "uri": "kafka:t/1/17",
        "size": len(PNG),
        "data": PNG,
        "origin": "message",
        "source_time": SENT,
    }


def test_a_header_says_everything() -> None:
    header = {
        "uri": "cam/1.png",
        "class": "cat",
        "split": "val",
        "source_time": "2024-04-30T12:00:00Z",
        "image_id": image_id_of(PNG),
        "collection": "c",
        "label": {"class": "dog"},
        "camera": 7,
        "box": {"x": [1, None]},
    }
    row = _file(Envelope(header, PNG))
    assert (row["uri"], row["class"], row["split"]) == ("cam/1.png", "cat", "validation")
    assert row["source_time"] == SENT - timedelta(days=1)
    # A label is what a model said, never the truth.
    assert json.loads(row["attributes"]) == {"camera": 7, "box": {"x": [1, None]}}
    assert row["data"] == PNG
    assert row["fault"] is None


@pytest.mark.parametrize("claimed", ["yesterday", 1714564800, None])
def test_a_time_that_cannot_be_read_is_kafkas(claimed: object) -> None:
    assert _file(Envelope({"source_time": claimed}, PNG))["source_time"] == SENT


def test_without_any_time_there_is_none() -> None:
    none = datetime(1969, 12, 31, 23, 59, 59, 999_000, timezone.utc)
    assert _file(PNG, timestamp=none)["source_time"] is None


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_pixels_get_an_identity_of_their_own_whatever_their_encoding(
    channels: int, dtype: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 60_000, (3, 5, channels)).astype(dtype)
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    raw = of_array(data, pixels.shape, dtype, image_id="0" * 64, uri="a.png")
    one, other = _file(raw), _file(smaller(raw))
    assert one["data"] == other["data"]
    assert one["size"] == len(one["data"])
    np.testing.assert_array_equal(decode_image(one["data"], name=one["uri"]), pixels)
    assert decode_image(one["data"]).dtype == dtype
    # The id of the source file is only claimed, and the name is no longer that of a PNG file.
    assert one["uri"] == "a.png.pnm"
    assert json.loads(one["attributes"]) == {"message_image_id": "0" * 64}


def test_grey_pixels_are_the_same_image_as_from_idx() -> None:
    raw = of_array(PIXELS.tobytes(), PIXELS.shape, "uint8", image_id="0" * 64)
    assert _file(raw)["data"] == b"P5\n6 4\n255\n" + PIXELS.tobytes()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "not_an_envelope"),
        (b"GIF89a", "not_an_envelope"),
        (b"LMI1\0\0\xff\xff{}", "truncated"),
        (b"LMI1\0\0\0\2[]", "bad_header"),
        (Envelope({"image_id": "0" * 64}, PNG), "id_mismatch"),
        (Envelope({"encoding": "jpeg"}, PNG), "unknown_encoding"),
        (Envelope({"encoding": "raw", "shape": [2, 2, 1], "dtype": "uint8"}, b"abc"), "bad_shape"),
        (Envelope({"encoding": "raw", "shape": [99, 99, 1], "dtype": "uint8"}), "too_many_pixels"),
        (Envelope({"encoding": "pixels-png"}, PNG[:40]), "truncated"),
        (Envelope({"payload_left_out": 9}), "no_payload"),
        (Envelope({"class": ["cat"]}, PNG), "bad_header"),
        (Envelope({"split": "extra"}, PNG), "bad_header"),
        (Envelope({"encoding": ["raw"]}, PNG), "unknown_encoding"),
    ],
)
def test_broken_messages_say_why_and_where(message: Envelope | bytes, reason: str) -> None:
    if isinstance(message, Envelope):
        message = Envelope({**message.header, "uri": "a.png"}, message.payload)
    row = _file(message)
    value = encode(message) if isinstance(message, Envelope) else message
    assert row["fault"].partition(": ")[0] == reason
    assert row["uri"] == "kafka:t/1/17"
    assert (row["data"], row["size"]) == (value[:64], len(value))


_RANGES = st.dictionaries(
    st.integers(0, 9),
    st.tuples(st.integers(0, 50), st.integers(0, 200)).map(lambda r: (r[0], r[0] + r[1])),
    max_size=6,
)


@given(_RANGES, st.integers(1, 60), st.none() | st.integers(1, 300))
def test_pieces_are_bounded_and_cover_each_offset_once(
    ranges: dict[int, tuple[int, int]], most: int, limit: int | None
) -> None:
    pieces = list(split_ranges(ranges, most, limit))
    taken = [(p, o) for piece in pieces for p, bounds in piece.items() for o in range(*bounds)]
    there = {(p, o) for p, bounds in ranges.items() for o in range(*bounds)}
    wanted = len(there) if limit is None else min(limit, len(there))
    assert len(taken) == len(set(taken)) == wanted
    assert set(taken) <= there
    sizes = [sum(end - start for start, end in piece.values()) for piece in pieces]
    # Only the last one is not full.
    assert all(size == most for size in sizes[:-1])
    assert all(0 < size <= most for size in sizes)


def test_pieces_take_from_all_partitions_in_order() -> None:
    assert list(split_ranges({0: (5, 9), 1: (0, 1), 2: (3, 3)}, 2)) == [
        {1: (0, 1), 0: (5, 6)},
        {0: (6, 8)},
        {0: (8, 9)},
    ]
