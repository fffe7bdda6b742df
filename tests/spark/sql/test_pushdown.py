"""Queries that bypass Spark: their answer equals Spark's, and no other query is mistaken for one."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from labelmill.errors import InputError
from labelmill.pipelines.freeze import collect
from labelmill.pipelines.freeze.driver import default_sql, freeze, truth_sql
from labelmill.pipelines.freeze.query_schema import read_schema, select_columns
from labelmill.settings import Settings
from labelmill.sql import catalogue
from labelmill.sql.plan.reader import read_selection
from labelmill.sql.pushdown.match import match_query
from labelmill.sql.pushdown.scan import ResultTooLargeError, scan_query
from labelmill.sql.snapshot import settled_snapshot
from labelmill.store.client import RowClient
from labelmill.store.spark.frames import ensure_all
from tests.helpers.catalogues import annotate, drawn, put_images, put_records

IDS = [f"i{n:03d}" for n in range(40)]
KEY = "i.collection = t.collection and i.image_id = t.image_id"
TRUTH = "select t.collection, t.image_id, t.class from truth t"

MATCHED = [
    truth_sql("c"),
    truth_sql("no such"),
    default_sql("c"),
    f"{TRUTH} where 'c' = t.collection and t.class = 'b'",
    f"{TRUTH} where t.collection = 'c' and t.image_id = 'i003'",
    f"{TRUTH} where t.collection = 'c' and source = 'person/ann'",
    f"{TRUTH} where t.collection = 'c' and class = 'no such'",
    (
        f"select t.collection, t.image_id, t.class, i.split from truth t join images i on {KEY} "
        "where i.collection = 'c'"
    ),
    (
        f"select i.collection, i.image_id, t.class from images i join truth t on {KEY} "
        "where i.collection = 'c' and t.collection = 'c' and i.split = 'test' and t.class = 'a'"
    ),
    (
        "select * from (select collection, image_id, class as word from truth) a (collection, image_id, class) "
        "where a.collection = 'c'"
    ),
    (
        "select collection, image_id, class from truth join images using (collection, image_id) "
        "where collection = 'c'"
    ),
    "select collection, image_id, source as class from annotations where collection = 'c' and class = 'a'",
    "select collection, image_id, uri as class, split from images where collection = 'c' and split = 'test'",
    "select collection, record_id, class, split, features from records where collection = 'r'",
    (
        "select t.collection, t.image_id, t.class from annotations t, images i "
        f"where {KEY} and i.collection = 'c' and t.source = 'person/ann'"
    ),
]

OTHERS = [
    "select collection, image_id, class from truth",
    f"{TRUTH} where t.collection = 'c' or t.class = 'b'",
    f"{TRUTH} where t.collection = 'c' and t.class <> 'b'",
    f"{TRUTH} where t.collection = 'c' and not t.class = 'b'",
    f"{TRUTH} where t.collection = 'c' and t.class <=> 'b'",
    f"{TRUTH} where t.collection = 'c' and t.class = 5",
    f"{TRUTH} where t.collection = 'c' and t.class = null",
    f"{TRUTH} where t.collection = 'c' and t.collection = 'd'",
    f"{TRUTH} where t.collection in ('c', 'd')",
    f"{TRUTH} where t.collection = 'c' order by t.image_id limit 3",
    f"{TRUTH} where t.collection = 'c' union all {TRUTH} where t.collection = 'd'",
    "select distinct t.collection, t.image_id, t.class from truth t where t.collection = 'c'",
    "select collection, image_id, upper(class) as class from truth where collection = 'c'",
    "select collection, image_id, 'a' as class from truth where collection = 'c'",
    (
        "with truth as (select * from annotations) select collection, image_id, class from truth "
        "where collection = 'c'"
    ),
    f"{TRUTH} left join images i on {KEY} where t.collection = 'c'",
    f"{TRUTH} join images i on i.image_id = t.image_id where t.collection = 'c' and i.collection = 'd'",
    f"{TRUTH} join images i on i.image_id = t.image_id where t.collection = 'c'",
    f"{TRUTH} join images i on {KEY} and i.uri = t.class where t.collection = 'c'",
    f"{TRUTH} join images i on {KEY} where t.collection = 'c' and i.collection = 'd'",
    f"{TRUTH} join images i on {KEY} where t.collection = 'c' and i.height = 4",
    f"{TRUTH} join annotations i on {KEY} where t.collection = 'c'",
    (
        f"{TRUTH} join images i on {KEY} join annotations a on a.image_id = i.image_id "
        "where t.collection = 'c' and a.collection = 'c'"
    ),
    (
        "select t.collection, t.image_id, i.class from truth t join images j on j.image_id = t.image_id "
        f"and j.collection = t.collection, annotations i where {KEY} and t.collection = 'c'"
    ),
    "select collection, image_id, cast(height as string) as class from images where collection = 'c'",
    f"select /*+ repartition(3) */ * from ({TRUTH}) where collection = 'c'",
    (
        "select collection, image_id, class from truth tablesample (50 percent) repeatable (1) "
        "where collection = 'c'"
    ),
]


@pytest.fixture
def at(settings: Settings, client: RowClient) -> int:
    """Images, annotations of all kinds and records, at a moment."""
    ensure_all(settings, client)
    splits = {i: ("test", "train")[n % 2] for n, i in enumerate(IDS) if n % 3}
    for collection in ("c", "d"):
        put_images(client, collection, dict(zip(IDS, drawn(40), strict=True)), splits)
        annotate(client, collection, {i: "ab"[n % 2] for n, i in enumerate(IDS)})
    annotate(client, "c", {"i100": "a", "i101": "b"})  # of images that do not exist
    annotate(client, "c", {"i002": "b", "i003": "b"}, "idx/b")
    annotate(client, "c", {"i004": "ä", "i005": "a", "i006": "b"}, "person/ann")
    annotate(client, "c", {"i004": "z"}, "person/zoe", 1)
    annotate(client, "c", {"i005": "b"}, "person/bob")
    put_records(client, "r", [("1", "train", "a", "{}"), ("2", None, None, "{}")])
    return settled_snapshot(settings)


@pytest.fixture(scope="module")
def empty(shared_settings: Settings) -> tuple[Settings, int]:
    """Tables without rows, and a moment at which they are there."""
    ensure_all(shared_settings)
    return shared_settings, settled_snapshot(shared_settings)


def _selected(spark: SparkSession, settings: Settings, sql: str, at: int) -> DataFrame:
    answer = catalogue.query(spark, settings, sql, at, repeatable=True)
    return select_columns(answer, read_schema(answer, settings))


def test_the_answer_equals_the_one_of_spark(
    spark: SparkSession, settings: Settings, client: RowClient, at: int
) -> None:
    sizes = []
    for sql in MATCHED:
        selected = _selected(spark, settings, sql, at)
        query = match_query(read_selection(selected))
        assert query is not None, sql
        found = scan_query(client, query, at, sys.maxsize)
        assert found.column_names == selected.columns
        assert set(found.schema.types) == {pa.string()}
        rows = Counter(tuple(row.values()) for row in found.to_pylist())
        assert rows == Counter(tuple(row) for row in selected.collect()), sql
        sizes.append(len(found))
    # Of 42 images with annotations two have imports that disagree, and i002 happened to be b.
    assert sizes[:4] == [41, 0, 39, 22]


@pytest.mark.parametrize("sql", OTHERS)
def test_other_queries_are_left_to_spark(
    spark: SparkSession, empty: tuple[Settings, int], sql: str
) -> None:
    settings, at = empty
    assert match_query(read_selection(_selected(spark, settings, sql, at))) is None


def test_a_result_larger_than_the_driver_accepts_is_left_to_spark(
    spark: SparkSession, settings: Settings, client: RowClient, at: int
) -> None:
    query = match_query(read_selection(_selected(spark, settings, truth_sql("c"), at)))
    assert query is not None
    with pytest.raises(ResultTooLargeError):
        scan_query(client, query, at, 100)
    limits = spark.sparkContext._jsc.sc().conf()
    limits.set("spark.driver.maxResultSize", "1b")
    try:
        with pytest.raises(
            InputError, match=r"more rows than the driver accepts at once.*maxResult"
        ):
            freeze(spark, settings, default_sql("c"), "x", snapshot_ms=at)
    finally:
        limits.remove("spark.driver.maxResultSize")


def test_a_freeze_that_bypasses_spark_equals_one_that_does_not(
    spark: SparkSession,
    settings: Settings,
    at: int,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def digest(where: str) -> object:
        location = str(tmp_path / where)
        found = freeze(spark, settings, default_sql("c"), "x", snapshot_ms=at, location=location)
        return found.results["digest"]

    before = digest("plain")
    monkeypatch.setattr(collect, "match_query", lambda query: None)
    assert digest("spark") == before
