"""Values of a query's ``:parameters``, read from text.

They travel beside the query and are bound into its parsed plan as literals, so that no value can
become a part of the query.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timezone
from decimal import Decimal

from labelmill.errors import InputError, UnknownName

Value = str | int | float | bool | Decimal | date | datetime | None

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# 007 is a name and no number, and so is a digest that happens to be digits only.
_WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]{0,37})")
_BROKEN = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?[0-9]+[eE][+-]?[0-9]+")
_QUOTED = re.compile(r"'((?:[^']|'')*)'", re.DOTALL)
_TIME = re.compile(r"(date|timestamp)\s*'([^']*)'", re.IGNORECASE)
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_LONG = 1 << 63
_FIRST_YEAR = 1583
"""Before the calendar's reform Java and Python count days differently."""


def value(text: str) -> Value:
    """What a text stands for in SQL.

    Args:
        text: ``7``, ``0.5``, ``true``, ``false``, ``null``, ``date '2026-01-31'``,
            ``timestamp '2026-01-31 12:00:00'`` (UTC unless it says otherwise), ``'text'``;
            everything else is text as it stands.

    Returns:
        ``int``, or `Decimal` beyond 64 bits; ``float``; ``bool``; ``None``; ``date``; ``datetime``
        with a zone; ``str``.

    Raises:
        InputError: A date or time that is none, or bytes that are no text.
    """
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InputError(f"{text!a}: expected Unicode text")
    stripped = text.strip()
    if stripped.lower() in _WORDS:
        return _WORDS[stripped.lower()]
    if _WHOLE.fullmatch(stripped):
        number = int(stripped)
        return number if -_LONG <= number < _LONG else Decimal(number)
    if _BROKEN.fullmatch(stripped) and math.isfinite(float(stripped)):
        return float(stripped)
    if found := _QUOTED.fullmatch(stripped):
        return found[1].replace("''", "'")
    if found := _TIME.fullmatch(stripped):
        return _moment(found[1].lower(), found[2].strip(), text)
    return text


def given(options: Iterable[str]) -> dict[str, str]:
    """The parameters of a command line.

    Args:
        options: ``NAME=VALUE`` each.

    Raises:
        InputError: No ``=``, a name that SQL does not take, or a name twice.
    """
    found: dict[str, str] = {}
    for option in options:
        name, sign, text = option.partition("=")
        name = name.strip().removeprefix(":")
        if not sign or not _NAME.fullmatch(name):
            raise InputError(
                f"--param {option}: expected NAME=VALUE, the name of letters, digits and _, for "
                "example --param since=\"date '2026-01-31'\""
            )
        if name in found:
            raise InputError(f"--param {name} was given twice: {found[name]!r} and {text!r}")
        found[name] = text
    return found


def bind(names: Iterable[str], texts: Mapping[str, str]) -> dict[str, Value]:
    """The values of a query's parameters.

    Args:
        names: Parameters that the query has.
        texts: Name → text (`value`).

    Raises:
        UnknownName: A text for a parameter that the query does not have.
        InputError: A parameter without a text, or a text that cannot be meant.
    """
    expected = list(names)
    for name in texts:
        if name not in expected:
            raise UnknownName("parameter of the query", name, expected)
    missing = [name for name in expected if name not in texts]
    if missing:
        raise InputError(
            f"the query's parameters are {_listed(expected)}; no value was given for "
            f"{_listed(missing)}: add --param {missing[0]}=VALUE"
        )
    return {name: value(texts[name]) for name in expected}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f":{name}" for name in names)


def _moment(kind: str, inner: str, text: str) -> date | datetime:
    try:
        found = datetime.fromisoformat(inner.replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        found = None
    if kind == "date" and found is not None and len(inner) > len("2026-01-31"):
        found = None
    if found is None or found.year < _FIRST_YEAR:
        example = "2026-01-31" if kind == "date" else "2026-01-31 12:00:00"
        raise InputError(
            f"{text}: expected {kind} '{example}', a day that exists, from the year {_FIRST_YEAR}"
        )
    if kind == "date":
        return found.date()
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
