"""Datetimes that survive kudu-python to the microsecond."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from labelmill.store.schema.rows import moment_of


class _Span(timedelta):
    """A duration whose seconds are an exact fraction, not a float."""

    def total_seconds(self) -> Any:
        return Fraction(
            (self.days * 86_400 + self.seconds) * 1_000_000 + self.microseconds, 1_000_000
        )


class _Moment(datetime):
    """A datetime whose differences are exact."""

    def __sub__(self, other: Any) -> Any:
        span = super().__sub__(other)
        return _Span(span.days, span.seconds, span.microseconds)


def exact(micros: Any) -> datetime:
    """Returns an aware UTC datetime of microseconds since 1970, for ``kudu.util.to_unixtime_micros``.

    That function computes ``int((moment - epoch).total_seconds() * 1000000)`` in floats, which is
    a microsecond off for some moments.
    """
    m = moment_of(int(micros))
    return _Moment(
        m.year, m.month, m.day, m.hour, m.minute, m.second, m.microsecond, tzinfo=m.tzinfo
    )
