from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.bus.envelope import PNG_SIGNATURE, Envelope, decode, encode
from labelmill.errors import EnvelopeError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=5), st.binary(max_size=200))
def test_what_was_encoded_is_decoded(header: dict[str, object], payload: bytes) -> None:
    assert decode(encode(Envelope(header, payload))) == Envelope(header, payload)


def test_the_byte_layout_is_the_documented_one() -> None:
    value = encode(Envelope({"b": 1, "a": "é"}, b"\x00pay"))
    header = '{"a":"é","b":1}'.encode()
    assert value == b"LMI1" + struct.pack(">I", len(header)) + header + b"\x00pay"


def test_a_png_file_is_a_message_of_its_own() -> None:
    assert decode(PNG_SIGNATURE + b"rest") == Envelope({}, PNG_SIGNATURE + b"rest")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "not_an_envelope"),
        (b"", "not_an_envelope"),
        (b"hello", "not_an_envelope"),
        (b"LMI2\x00\x00\x00\x02{}", "not_an_envelope"),
        (b"LMI1\x00", "truncated"),
        (b"LMI1\x00\x00\x00\x09{}", "truncated"),
        (b"LMI1\xff\xff\xff\xff{}", "bad_header"),
        (b"LMI1\x00\x00\x00\x02{]", "bad_header"),
        (b"LMI1\x00\x00\x00\x02\xff\xff", "bad_header"),
        (b"LMI1\x00\x00\x00\x02[]", "bad_header"),
        (b"LMI1" + struct.pack(">I", 100_000) + b"[" * 100_000, "bad_header"),
    ],
)
def test_what_is_no_envelope_says_why(value: bytes | None, reason: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        decode(value)
    assert caught.value.reason == reason


@given(st.binary(max_size=64))
def test_any_bytes_are_an_envelope_or_an_envelope_error(tail: bytes) -> None:
    for value in (tail, b"LMI1" + tail):
        with contextlib.suppress(EnvelopeError):  # any other error fails the test
            decode(value)
