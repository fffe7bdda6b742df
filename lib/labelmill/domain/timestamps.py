"""Timestamps as ISO 8601 text, as manifests and messages write them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
    r" ?(?:(Z)|([+-])(\d\d):?(\d\d)?)?)?",
    re.ASCII | re.IGNORECASE,
)


def parse_timestamp(text: str) -> datetime:
    """Parses an ISO 8601 timestamp to UTC.

    Args:
        text: ``YYYY-MM-DD``, or with ``THH:MM[:SS[.fraction]]`` (a space may replace the
            ``T``) and a zone (``Z``, ``+HH``, ``+HH:MM``, ``+HHMM``). Without a zone it is UTC; a date
            alone is midnight. Fractions are truncated to microseconds.

    Raises:
        ValueError: Anything else, or a day or hour that does not exist.

    Example:
        >>> parse_timestamp("2024-05-01T12:30+02:00").isoformat()
        '2024-05-01T10:30:00+00:00'
    """
    found = _ISO.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text[:40]!r} is not a time; expected ISO 8601, such as 2024-05-01T12:30:00+02:00"
        )
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    fraction, _, sign, *offset = found.groups()[6:]
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
        moment += timedelta(microseconds=int((fraction or "0").ljust(6, "0")[:6]))
        hours, minutes = (int(part or 0) for part in offset)
        if hours > 23 or minutes > 59:
            raise ValueError("a zone is less than a day from UTC")
        away = timedelta(hours=hours, minutes=minutes)
        return moment + away if sign == "-" else moment - away
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text[:40]!r} is not a time: {error}") from None
