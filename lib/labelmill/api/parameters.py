"""Python values as the text that queries, freezes and snapshots take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

from labelmill.errors import InputError
from labelmill.sql.snapshot import parse_snapshot

Snapshot = int | str | datetime | None
"""Milliseconds since 1970 UTC, ISO 8601 text, a datetime, or None: now."""


def texts_of(parameters: Mapping[str, Any] | None) -> dict[str, str]:
    """The text of each parameter, as `labelmill.sql.parameters.parse_value` reads it.

    Args:
        parameters: Name → value (`text_of`).

    Raises:
        InputError: A value that SQL has no literal for.
    """
    return {name: text_of(name, value) for name, value in (parameters or {}).items()}


def text_of(name: str, value: Any) -> str:
    """The text of one parameter.

    Args:
        name: Without the colon; for the error.
        value: ``str``, ``int``, ``float``, ``bool``, ``None``, ``date``, ``datetime`` (UTC without a
            zone), ``Decimal`` (whole numbers), or a scalar of numpy.

    Raises:
        InputError: A value that SQL has no literal for.

    Example:
        >>> text_of("since", date(2026, 1, 31)), text_of("class", "7"), text_of("rows", 7)
        ("date '2026-01-31'", "'7'", '7')
    """
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (
        isinstance(value, Decimal) and value == value.to_integral_value()
    ):
        return str(int(value))
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return f"timestamp '{aware.isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    raise InputError(
        f"parameter {name}={value!r} is a {type(value).__name__}; expected str, int, a finite float, "
        "bool, None, date or datetime"
    )


def snapshot_of(moment: Snapshot) -> int | None:
    """A snapshot as milliseconds since 1970 UTC; None: now.

    Args:
        moment: Milliseconds since 1970 UTC, ISO 8601 text, or a ``datetime`` (UTC without a zone).

    Raises:
        InputError: Something else.

    Example:
        >>> snapshot_of("2026-01-31T12:00Z")
        1769860800000
    """
    if moment is None:
        return None
    if isinstance(moment, datetime):
        aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return round(aware.timestamp() * 1000)
    if isinstance(moment, str):
        return parse_snapshot(moment, None)
    if isinstance(moment, int) and not isinstance(moment, bool):
        return moment
    raise InputError(
        f"snapshot={moment!r}; expected milliseconds since 1970 UTC, a text such as "
        "'2026-01-31T12:00Z', or a datetime"
    )
