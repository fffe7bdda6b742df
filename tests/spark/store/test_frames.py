"""DataFrames in and out of the real Kudu, checked through rows and through Kudu's own tool."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.errors import InputError, RowsRefused, SchemaMismatch, StoreError, UnknownName
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import ANNOTATIONS, IMAGES, TABLES
from labelmill.store.spark import frames
from labelmill.store.spark.errors import spark_errors
from labelmill.testing.store_contract.samples import EMPTY, EVERY_TYPE, FULL, NULLS, earlier

NOW = datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=timezone.utc)


@pytest.fixture
def annotations(spark: SparkSession, client: RowClient) -> DataFrame:
    client.ensure(ANNOTATIONS)
    rows = [("c", f"{i:064x}", f"folder/{i % 3}", str(i % 3), None, NOW) for i in range(30)]
    return spark.createDataFrame(rows, frames.spark_type(ANNOTATIONS))


def test_every_type_both_ways(spark: SparkSession, settings: Settings, client: RowClient) -> None:
    client.ensure(EVERY_TYPE)
    names = [c.name for c in EVERY_TYPE.columns]
    given = [FULL, EMPTY, NULLS]
    frame = spark.createDataFrame(
        [tuple(row[name] for name in names) for row in given], frames.spark_type(EVERY_TYPE)
    )
    frames.write(frame, settings, EVERY_TYPE)
    key = lambda row: str(row["name"])  # noqa: E731
    assert sorted(client.scan(EVERY_TYPE), key=key) == sorted(given, key=key)
    back = frames.read(spark, settings, EVERY_TYPE)
    assert back.schema == frames.spark_type(EVERY_TYPE)
    rows = back.select("name", F.unix_micros("a_timestamp"), "a_binary").collect()
    micros = {row[0]: row[1] for row in rows}
    assert micros == {FULL["name"]: 1709251199999999, "": 0, "nulls": None}
    assert {bytes(row[2]) for row in rows if row[2] is not None} == {bytes(range(256)), b""}


def test_columns_in_any_order_and_predicates_pushed(
    spark: SparkSession, settings: Settings, annotations: DataFrame
) -> None:
    shuffled = annotations.select(*reversed(annotations.columns))
    frames.write(shuffled, settings, ANNOTATIONS)
    found = frames.read(spark, settings, ANNOTATIONS, ["class", "image_id"], "class = '2'")
    assert found.columns == ["class", "image_id"]
    assert {row["class"] for row in found.collect()} == {"2"}
    assert found.count() == 10
    plan = found._jdf.queryExecution().toString()
    assert "*EqualTo(class,2)" in plan
    assert "uri" not in plan.split("== Physical Plan ==")[1]


def test_operations(
    spark: SparkSession, settings: Settings, client: RowClient, annotations: DataFrame
) -> None:
    frames.write(annotations, settings, ANNOTATIONS, "insert")
    changed = annotations.withColumn("class", F.lit("new"))
    frames.write(changed, settings, ANNOTATIONS, "insert_ignore")
    assert {row["class"] for row in client.scan(ANNOTATIONS)} == {"0", "1", "2"}
    with pytest.raises(
        RowsRefused, match=rf"{settings.table_prefix}annotations.*key already present"
    ):
        frames.write(changed, settings, ANNOTATIONS, "insert")
    frames.write(changed, settings, ANNOTATIONS)
    assert {row["class"] for row in client.scan(ANNOTATIONS)} == {"new"}
    frames.write(annotations.limit(10), settings, ANNOTATIONS, "delete_ignore")
    assert len(list(client.scan(ANNOTATIONS))) == 20


def test_what_cannot_be_written_is_named(settings: Settings, annotations: DataFrame) -> None:
    with pytest.raises(UnknownName, match=r"'klass'.*Did you mean 'class'"):
        frames.write(annotations.withColumnRenamed("class", "klass"), settings, ANNOTATIONS)
    with pytest.raises(InputError, match=r"annotations.class is missing in the DataFrame"):
        frames.write(annotations.drop("class"), settings, ANNOTATIONS)
    with pytest.raises(
        InputError, match=r"annotations.class is string, the DataFrame has int.*cast\('string'\)"
    ):
        frames.write(annotations.withColumn("class", F.lit(5)), settings, ANNOTATIONS)
    nulls = annotations.withColumn("class", F.lit(None).cast("string"))
    with pytest.raises(InputError, match="null in column class, which may not be null"):
        frames.write(nulls, settings, ANNOTATIONS)
    with pytest.raises(UnknownName, match="'klass'"):
        frames.read(annotations.sparkSession, settings, ANNOTATIONS, ["klass"])


def test_a_column_left_out_is_null_because_rows_are_whole(
    settings: Settings, client: RowClient, annotations: DataFrame
) -> None:
    frames.write(annotations.withColumn("uri", F.lit("there")), settings, ANNOTATIONS)
    frames.write(annotations.drop("uri"), settings, ANNOTATIONS)
    assert {row["uri"] for row in client.scan(ANNOTATIONS)} == {None}


def test_absent_table_says_so(spark: SparkSession, settings: Settings) -> None:
    with pytest.raises(StoreError, match=f"{settings.table_prefix}images.*does not exist.*ensure"):
        frames.read(spark, settings, IMAGES)


def test_snapshot_is_repeatable(
    spark: SparkSession, settings: Settings, client: RowClient, annotations: DataFrame
) -> None:
    frames.write(annotations, settings, ANNOTATIONS)
    at = earlier(seconds=0) + 1
    while earlier(seconds=0) <= at:
        os.sched_yield()
    frames.write(annotations.withColumn("class", F.lit("new")), settings, ANNOTATIONS)
    for _ in range(2):
        then = frames.read(spark, settings, ANNOTATIONS, snapshot_ms=at)
        assert {row["class"] for row in then.collect()} == {"0", "1", "2"}
    old = frames.read(spark, settings, ANNOTATIONS, snapshot_ms=1000)
    with pytest.raises(InputError, match=r"snapshot is older than Kudu .* keeps history"):
        with spark_errors("reading annotations", settings):
            old.count()


def test_every_table_is_a_view(
    spark: SparkSession, settings: Settings, annotations: DataFrame, kudu_tool: Callable[..., str]
) -> None:
    frames.ensure_all(settings)
    frames.write(annotations, settings, ANNOTATIONS)
    names = frames.register_views(spark, settings)
    assert names == [*TABLES, "truth", "truth_conflicts"]
    for name in names:
        spark.sql(f"select count(*) from {name}").collect()
    truth = spark.sql("select class, count(*) n from truth where collection = 'c' group by class")
    assert sorted(map(tuple, truth.collect())) == [("0", 10), ("1", 10), ("2", 10)]
    listed = kudu_tool("table", "list").split()
    assert {settings.table_prefix + name for name in TABLES} <= set(listed)


def test_ensure_all_refuses_another_version(settings: Settings, client: RowClient) -> None:
    client.ensure(replace(IMAGES, version=99))
    with pytest.raises(SchemaMismatch, match="images was created with schema version 99"):
        frames.ensure_all(settings)


def test_ensure_all_creates_what_is_absent_and_checks_what_is_used(
    settings: Settings, client: RowClient
) -> None:
    client.ensure(replace(IMAGES, version=99))
    frames.ensure_all(settings, client, [ANNOTATIONS])
    names = set(client.names())
    assert {settings.table_prefix + name for name in TABLES} <= names
    with pytest.raises(SchemaMismatch, match="images was created with schema version 99"):
        frames.ensure_all(settings, client, [ANNOTATIONS, IMAGES])
