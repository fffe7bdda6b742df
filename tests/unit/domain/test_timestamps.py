"""Times as text."""

from __future__ import annotations

import pytest

from labelmill.domain.timestamps import parse_timestamp


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-05-01T12:30:00Z", "2024-05-01T12:30:00+00:00"),
        ("2024-05-01t12:30:00z", "2024-05-01T12:30:00+00:00"),
        ("2024-05-01 12:30", "2024-05-01T12:30:00+00:00"),
        ("2024-05-01", "2024-05-01T00:00:00+00:00"),
        ("2024-05-01T00:30:00+02:00", "2024-04-30T22:30:00+00:00"),
        ("2024-05-01T00:30:00 -0930", "2024-05-01T10:00:00+00:00"),
        ("2024-05-01T00:30:00+05", "2024-04-30T19:30:00+00:00"),
        ("2024-05-01T12:30:00.5+00:00", "2024-05-01T12:30:00.500000+00:00"),
        ("2024-05-01T12:30:00,123456789Z", "2024-05-01T12:30:00.123456+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
    ],
)
def test_iso_8601_becomes_utc(text: str, utc: str) -> None:
    assert parse_timestamp(text).isoformat() == utc


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1714566600",
        "01.05.2024",
        "2024-5-1",
        "2024-02-30",
        "2024-05-01T24:00:00Z",
        "2024-05-01T12:30:00+24:00",
        "2024-05-01T12:30:00+01:60",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "٢٠٢٤-٠٥-٠١",
    ],
)
def test_what_is_not_a_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_timestamp(text)
