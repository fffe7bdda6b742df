"""Fields of tar headers: what POSIX, GNU and old archivers write, and what is damaged."""

from __future__ import annotations

import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.sources.archives.tar_header import (
    checksum_is_right,
    decimal_of,
    name_of,
    number_of,
    records_of,
)
from labelmill.sources.decompress import Damaged


def header(name: str, format: int = tarfile.USTAR_FORMAT) -> bytearray:
    return bytearray(tarfile.TarInfo(name).tobuf(format)[:512])


@given(st.integers(0, 511).filter(lambda at: not 148 <= at < 156), st.integers(1, 255))
def test_any_changed_byte_breaks_the_checksum(position: int, change: int) -> None:
    right = header("a/b.png")
    assert checksum_is_right(right)
    right[position] ^= change
    assert not checksum_is_right(right)


def test_a_checksum_of_signed_bytes_is_accepted() -> None:
    raw = header("ü.png")
    signed = 256 + sum(byte - 256 * (byte > 127) for byte in raw[:148] + raw[156:])
    raw[148:156] = b"%06o\0 " % signed
    assert checksum_is_right(raw)


@pytest.mark.parametrize(
    ("field", "number"),
    [
        (b"00000001750\0", 1000),
        (b"       1750 ", 1000),
        (b"\0" * 12, 0),
        (b" " * 12, 0),
        (b"777777777777", 8**12 - 1),
        (b"\x80" + (1 << 40).to_bytes(11, "big"), 1 << 40),
    ],
)
def test_numbers_are_octal_or_binary(field: bytes, number: int) -> None:
    assert number_of(field) == number


@pytest.mark.parametrize("field", [b"00000000009\0", b"-0000000001\0", b"\xff" * 12, b"x" * 12])
def test_what_is_not_a_number_is_damage(field: bytes) -> None:
    with pytest.raises(Damaged, match="for a number"):
        number_of(field)


def test_a_long_name_is_in_two_fields_except_where_gnu_has_times() -> None:
    name = "d" * 120 + "/" + "n" * 90 + ".png"
    assert name_of(header(name)) == name
    gnu = header("n.png", tarfile.GNU_FORMAT)
    gnu[345:357] = b"14564800000\0"
    assert name_of(gnu) == "n.png"
    raw = header("a.png")
    raw[0] = 0xFF
    assert name_of(raw) == "\udcff.png"


@given(st.dictionaries(st.text(st.characters(exclude_characters="=\0", codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8")), max_size=4))  # fmt: skip
def test_pax_records_are_those_that_tarfile_writes(records: dict[str, str]) -> None:
    made = tarfile.TarInfo.create_pax_global_header(records)
    size = number_of(made[124:136])
    assert records_of(made[512 : 512 + size]) == records


@pytest.mark.parametrize(
    "body",
    [
        b"x path=a\n",
        b"9 path=a",
        b"8 path=a\n",
        b"11 path=a\n",
        b"0 path=a\n",
        b"-9 path=a\n",
        b"9 pathaa\n",
        b"99999999999999999999 path=a\n",
        b"9 path=a\n7 path",
        b"9path=aa\n",
    ],
)
def test_malformed_pax_records_are_damage(body: bytes) -> None:
    with pytest.raises(Damaged, match="PAX header"):
        records_of(body)


def test_decimals_of_pax_headers() -> None:
    assert decimal_of("0012") == 12
    for text in ("", "1.5", "+1", "1_0", "٣", "9" * 20):
        with pytest.raises(Damaged, match="for a number"):
            decimal_of(text)
