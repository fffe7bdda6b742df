"""Texts of parameters become values as SQL would read them, never part of the query."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from labelmill.errors import InputError, UnknownName
from labelmill.sql.parameters import bind, parse_options, parse_value

VALUES = [
    ("7", 7),
    (" -7 ", -7),
    ("+7", 7),
    ("9223372036854775807", 2**63 - 1),
    ("9223372036854775808", Decimal(2**63)),
    ("0.5", 0.5),
    (".5", 0.5),
    ("1e-3", 0.001),
    ("true", True),
    ("FALSE", False),
    ("Null", None),
    ("date '2026-01-31'", date(2026, 1, 31)),
    ("DATE'2026-01-31'", date(2026, 1, 31)),
    (
        "timestamp '2026-01-31 12:30:00.25'",
        datetime(2026, 1, 31, 12, 30, 0, 250_000, timezone.utc),
    ),
    ("timestamp '2026-01-31T12:30Z'", datetime(2026, 1, 31, 12, 30, tzinfo=timezone.utc)),
    (
        "timestamp '2026-01-31 12:30:00+02:00'",
        datetime(2026, 1, 31, 12, 30, tzinfo=timezone(timedelta(hours=2))),
    ),
    ("timestamp '2026-01-31'", datetime(2026, 1, 31, tzinfo=timezone.utc)),
    ("'7'", "7"),
    ("'it''s'", "it's"),
    ("'true'", "true"),
    ("''", ""),
    ("", ""),
    ("camera-7", "camera-7"),
    ("007", "007"),  # a name; as a number it would be another one
    ("1" * 64, "1" * 64),  # a digest
    ("12e999", "12e999"),
    ("nan", "nan"),
    ("0x10", "0x10"),
    ("it's", "it's"),
    ("x' or '1'='1", "x' or '1'='1"),
    ("2026-01-31", "2026-01-31"),
]


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_a_text_is_the_value_it_reads_as(text: str, expected: object) -> None:
    found = parse_value(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "text",
    [
        "date '2026-02-30'",
        "date 'today'",
        "date '2026-01-31 12:00'",
        "timestamp 'now'",
        "timestamp '12:30'",
        "timestamp '0001-01-01'",
        "'\udc80'",
    ],
)
def test_times_that_do_not_exist_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected"):
        parse_value(text)


def test_options_of_a_command_line() -> None:
    assert parse_options(["since=date '2026-01-31'", ":class=a=b", "x="]) == {
        "since": "date '2026-01-31'",
        "class": "a=b",
        "x": "",
    }


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["since"], "expected NAME=VALUE"),
        (["=7"], "expected NAME=VALUE"),
        (["a b=7"], "expected NAME=VALUE"),
        (["a=1", ":a=2"], "--param a was given twice: '1' and '2'"),
    ],
)
def test_invalid_options(options: list[str], text: str) -> None:
    with pytest.raises(InputError, match=text):
        parse_options(options)


def test_missing_and_unused_parameters_are_named() -> None:
    assert bind(["b", "a"], {"a": "1", "b": "x"}) == {"a": 1, "b": "x"}
    with pytest.raises(InputError, match=r"parameters are :since, :class; .* for :class: add"):
        bind(["since", "class"], {"since": "1"})
    with pytest.raises(UnknownName, match=r"'sinse'; expected one of: since\. Did you mean"):
        bind(["since"], {"sinse": "1"})
    with pytest.raises(UnknownName, match=r"expected one of: \(none\)"):
        bind([], {"since": "1"})
