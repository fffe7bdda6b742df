"""Times of collected rows get their zone, whatever the zone of the process is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from pyspark.sql import Row
from pyspark.sql import types as T

from labelmill.spark.row_times import utc_reader

AT = T.TimestampType()
SCHEMA = T.StructType(
    [
        T.StructField("at", AT),
        T.StructField("many", T.ArrayType(AT)),
        T.StructField("named", T.MapType(T.StringType(), AT)),
        T.StructField("inner", T.StructType([T.StructField("at", AT)])),
        T.StructField("no_zone", T.TimestampNTZType()),
        T.StructField("text", T.StringType()),
    ]
)


@pytest.fixture(params=["America/New_York", "UTC", "Asia/Kathmandu"], autouse=True)
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_both_moments_of_a_repeated_hour_stay_apart() -> None:
    moments = [1762061400, 1762065000]  # 01:30 in New York, before and after the clock went back
    read = utc_reader(SCHEMA)
    found = []
    for second in moments:
        naive = AT.fromInternal(second * 1_000_000 + 5)
        bare = datetime(2025, 11, 2, 1, 30)
        row = Row(*SCHEMA.names)(naive, [naive, None], {"a": naive}, Row(at=naive), bare, "x")
        again = read(row)
        assert again.no_zone == bare
        assert again.no_zone.tzinfo is None
        assert again.at == again.many[0] == again.named["a"] == again.inner.at
        assert again.many[1] is None
        found.append(again.at)
    assert found == [
        datetime(2025, 11, 2, 5, 30, 0, 5, timezone.utc),
        datetime(2025, 11, 2, 6, 30, 0, 5, timezone.utc),
    ]


def test_rows_without_times_are_handed_on() -> None:
    row = Row(text="x", text2=None)
    assert utc_reader(T.StructType([T.StructField("text", T.StringType())]))(row) is row
    assert utc_reader(SCHEMA)(Row(*SCHEMA.names)(*[None] * 6)) == (None,) * 6
