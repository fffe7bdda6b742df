"""Values of a query's ``:parameters``, parsed from text.

They travel beside the query and are bound into its parsed plan as literals, so no value can become
part of the query.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal

from labelmill.domain.timestamps import parse_timestamp
from labelmill.errors import InputError, UnknownName

Value = str | int | float | bool | Decimal | date | datetime | None

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# 007 is a name, not a number, and so is a digest that happens to consist of digits.
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]{0,37})")
_FRACTION = re.compile(
    r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?[0-9]+[eE][+-]?[0-9]+"
)
_QUOTED = re.compile(r"'((?:[^']|'')*)'", re.DOTALL)
_TIME = re.compile(r"(date|timestamp)\s*'([^']*)'", re.IGNORECASE)
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_LONG = 1 << 63
_FIRST_YEAR = 1583
"""Before the Gregorian reform, Java and Python count days differently."""


def parse_value(text: str) -> Value:
    """The SQL value that a text stands for.

    Args:
        text: ``7``, ``0.5``, ``true``, ``false``, ``null``, ``date '2026-01-31'``,
            ``timestamp '2026-01-31 12:00:00'`` (UTC without an offset), ``'text'``; anything else is
            text as it is.

    Returns:
        ``int``, or `Decimal` beyond 64 bits; ``float``; ``bool``; ``None``; ``date``; ``datetime``
        with a time zone; ``str``.

    Raises:
        InputError: A date or time that does not exist, or text that is not Unicode.

    Example:
        >>> parse_value("7"), parse_value("'7'"), parse_value("007")
        (7, '7', '007')
        >>> parse_value("date '2026-01-31'")
        datetime.date(2026, 1, 31)
    """
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InputError(f"{text!a}: expected Unicode text")
    stripped = text.strip()
    if stripped.lower() in _WORDS:
        return _WORDS[stripped.lower()]
    if _INTEGER.fullmatch(stripped):
        number = int(stripped)
        return number if -_LONG <= number < _LONG else Decimal(number)
    if _FRACTION.fullmatch(stripped) and math.isfinite(float(stripped)):
        return float(stripped)
    if found := _QUOTED.fullmatch(stripped):
        return found[1].replace("''", "'")
    if found := _TIME.fullmatch(stripped):
        return _parse_time(found[1].lower(), found[2].strip(), text)
    return text


def parse_options(options: Iterable[str]) -> dict[str, str]:
    """The parameters given on a command line.

    Args:
        options: Texts of the form ``NAME=VALUE``.

    Returns:
        Name → text (`parse_value`).

    Raises:
        InputError: No ``=``, a name that SQL does not accept, or a duplicate name.

    Example:
        >>> parse_options(["class=a", ":since=date '2026-01-31'"])
        {'class': 'a', 'since': "date '2026-01-31'"}
    """
    found: dict[str, str] = {}
    for option in options:
        name, sign, text = option.partition("=")
        name = name.strip().removeprefix(":")
        if not sign or not _NAME.fullmatch(name):
            raise InputError(
                f"--param {option}: expected NAME=VALUE, with a name of letters, digits and _, for "
                "example --param since=\"date '2026-01-31'\""
            )
        if name in found:
            raise InputError(f"--param {name} was given twice: {found[name]!r} and {text!r}")
        found[name] = text
    return found


def bind(names: Iterable[str], texts: Mapping[str, str]) -> dict[str, Value]:
    """The values of a query's parameters.

    Args:
        names: Parameters of the query.
        texts: Name → text (`parse_value`).

    Raises:
        UnknownName: A text for a parameter that the query does not have.
        InputError: A parameter without a text, or an invalid text.
    """
    expected = list(names)
    for name in texts:
        if name not in expected:
            raise UnknownName("parameter of the query", name, expected)
    missing = [name for name in expected if name not in texts]
    if missing:
        raise InputError(
            f"the query's parameters are {_listed(expected)}; no value was given for "
            f"{_listed(missing)}: add {missing[0]}=VALUE (on a command line, --param {missing[0]}=VALUE)"
        )
    return {name: parse_value(texts[name]) for name in expected}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f":{name}" for name in names)


def _parse_time(kind: str, inner: str, text: str) -> date | datetime:
    found: datetime | None
    try:
        found = parse_timestamp(inner)
    except ValueError:
        found = None
    if kind == "date" and found is not None and len(inner) > len("2026-01-31"):
        found = None
    if found is None or found.year < _FIRST_YEAR:
        example = "2026-01-31" if kind == "date" else "2026-01-31 12:00:00"
        raise InputError(
            f"{text}: expected {kind} '{example}', an existing day in the year {_FIRST_YEAR} or later"
        )
    if kind == "date":
        return found.date()
    return found
