"""What is pushed down to Kudu gives Spark's own answer: a thousand generated conditions, both ways.

Each condition filters a scan of its own in Kudu. The expected answer comes from the same rows, read by
the same Spark from Parquet, with the condition as a column, so that nothing is pushed anywhere.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.settings import Settings
from labelmill.sql import catalogue
from labelmill.store.client import RowClient
from labelmill.store.spark import frames
from labelmill.testing.store_contract.samples import EMPTY, EVERY_TYPE, FULL, NULLS

COUNT, PER_JOB = 1000, 50
FIRST = datetime(1970, 1, 1, tzinfo=timezone.utc)
VALUES: dict[str, list[object]] = {
    "a_string": ["", "a", "ab", "b", "1", "01", "ß", "日本", "A", " "],
    "a_binary": [b"", b"\x00", b"a", b"ab", b"\xff", b"\xff\x00"],
    "a_int8": [-128, -1, 0, 1, 127],
    "a_int32": [-(2**31), -1, 0, 1, 2**31 - 1],
    "a_int64": [-(2**63), -1, 0, 1, 2**31, 2**53 + 1, 2**63 - 1],
    "a_float": [float("-inf"), -1.5, -0.0, 0.0, 0.5, 5.0, 3.4028234663852886e38, float("inf"), float("nan")],
    "a_double": [float("-inf"), -1.5, -0.0, 0.0, 0.1, 5.0, 1.7976931348623157e308, float("inf"), float("nan")],
    "a_bool": [False, True],
    "a_timestamp": [
        FIRST - timedelta(days=370 * 365), FIRST - timedelta(microseconds=1), FIRST,
        datetime(2024, 2, 29, 23, 59, 59, 999_999, timezone.utc),
        datetime(2025, 11, 2, 5, 30, tzinfo=timezone.utc), datetime(2025, 11, 2, 6, 30, tzinfo=timezone.utc),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, timezone.utc),
    ],
}  # fmt: skip
COMPARISONS = ("=", "<=>", "<>", "<", "<=", ">", ">=")


def literal(column: str, value: object) -> str:
    """A value as SQL, of the column's type."""
    if value is None:
        return "null"
    match column:
        case "a_string":
            return f"'{value}'"
        case "a_binary":
            return f"X'{value.hex()}'" if isinstance(value, bytes) else ""
        case "a_float" | "a_double":
            return f"{column[2:]}('{value}')"
        case "a_timestamp":
            return f"timestamp '{value:%Y-%m-%d %H:%M:%S.%f}Z'"
        case "a_int8":
            return f"cast({value} as tinyint)"
        case "a_int64":
            return f"cast('{value}' as bigint)"
    return str(value).lower()


def one(draw: random.Random) -> str:
    """A condition on one column."""
    column = draw.choice(sorted(VALUES))
    some = [*VALUES[column], None]
    match draw.randrange(9):
        case 0 | 1 | 2 | 3:
            value = draw.choice(VALUES[column])
            return f"{column} {draw.choice(COMPARISONS)} {literal(column, value)}"
        case 4 | 5 | 6:
            # Spark makes a set of more than ten.
            count = draw.choice((1, 2, 3, 12))
            listed = ", ".join(literal(column, draw.choice(some)) for _ in range(count))
            return f"{column} {draw.choice(('in', 'in', 'not in'))} ({listed})"
        case 7:
            return f"{column} is {draw.choice(('null', 'not null'))}"
        case _:
            return draw.choice(
                ("a_string like 'a%'", "a_string like '%b'", "a_string like '%a%'", "a_string = null",
                 "a_double = 5", "a_float in (5, 0.5)", "a_double < 'NaN'", "a_int32 < 0.5",
                 "a_string > 'a' and a_string < null", "isnan(a_double)")
            )  # fmt: skip


def condition(draw: random.Random) -> str:
    """One condition, or several joined."""
    parts = [one(draw) for _ in range(draw.choice((1, 1, 1, 2, 3)))]
    text = parts[0]
    for part in parts[1:]:
        text = f"({text}) {draw.choice(('and', 'and', 'or'))} ({part})"
    return f"not ({text})" if draw.random() < 0.15 else text


def rows() -> list[dict[str, object]]:
    """Every value of every type with others beside it, and rows of nothing."""
    found = [FULL, EMPTY, NULLS]
    draw = random.Random(3)
    for number in range(60):
        row: dict[str, object] = {"name": f"row {number}", "number": number}
        for column, values in VALUES.items():
            row[column] = (
                values[number % len(values)] if number < 10 else draw.choice([*values, None])
            )
        found.append(row)
    return found


@pytest.fixture
def stored(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> tuple[DataFrame, DataFrame]:
    """The rows in Kudu and, the same, in Parquet."""
    client.ensure(EVERY_TYPE)
    client.write(EVERY_TYPE, rows())
    own, _ = catalogue.open_views(spark, settings, only=[])
    # Compiling each condition would take most of the time.
    own.conf.set("spark.sql.codegen.wholeStage", "false")
    own.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    # Its defaults for times refuse those before 1900.
    own.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    for way in ("Write", "Read"):
        own.conf.set(f"spark.sql.parquet.datetimeRebaseModeIn{way}", "CORRECTED")
    kudu = frames.read(own, settings, EVERY_TYPE)
    kudu.write.parquet(str(tmp_path / "rows"))
    assert kudu.count() == len(rows())
    return kudu, own.read.parquet(str(tmp_path / "rows"))


def test_conditions_mean_in_kudu_what_they_mean_in_spark(
    stored: tuple[DataFrame, DataFrame],
) -> None:
    kudu, parquet = stored
    draw = random.Random(20261201)
    conditions = [condition(draw) for _ in range(COUNT)]
    wrong = []
    for start in range(0, COUNT, PER_JOB):
        part = conditions[start : start + PER_JOB]
        found = _names_in_kudu(kudu, part)
        expected = _names_in_spark(parquet, part)
        wrong += [
            (text, sorted(found[n] ^ expected[n]))
            for n, text in enumerate(part)
            if found[n] != expected[n]
        ]
    assert wrong == []


def test_keys_and_texts_are_still_looked_up_by_kudu(stored: tuple[DataFrame, DataFrame]) -> None:
    plan = stored[0].where("name in ('a', null) and a_int32 = 5 and a_double = 5")
    text = plan._jdf.queryExecution().executedPlan().toString()
    assert "*In(name, [a])" in text
    assert "*EqualTo(a_int32,5)" in text
    assert "EqualTo(a_double" not in text.replace(" ", "")


def _names_in_kudu(kudu: DataFrame, conditions: list[str]) -> list[set[str]]:
    kudu.createOrReplaceTempView("stored")
    # As one text: a union built call by call is analysed anew by each call.
    selects = (f"select {n} number, name from stored where {c}" for n, c in enumerate(conditions))
    found: list[set[str]] = [set() for _ in conditions]
    for row in kudu.sparkSession.sql(" union all ".join(selects)).coalesce(2).collect():
        found[row["number"]].add(row["name"])
    return found


def _names_in_spark(parquet: DataFrame, conditions: list[str]) -> list[set[str]]:
    answers = parquet.select("name", *(F.expr(c).alias(f"c{n}") for n, c in enumerate(conditions)))
    collected = answers.collect()
    return [{row["name"] for row in collected if row[f"c{n}"]} for n in range(len(conditions))]
