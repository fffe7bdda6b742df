"""The guard lets reading through and nothing else: tried on Spark's own parser."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from labelmill.errors import InputError, LabelmillError, QueryRefused, UnknownName
from labelmill.sql.catalogue import NAMES
from labelmill.sql.guard.check import check_query
from tests.spark.sql.guard.corpus import attacks, honest
from tests.spark.sql.guard.corpus.desk import Desk, open_desk

VIEWS = ["images", "annotations", "labels", "truth", "image_chunks"]


@pytest.fixture(scope="module")
def desk(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return open_desk(spark, tmp_path_factory.mktemp("canary"))


READS = [*honest.PLAIN, *honest.SLICES, *(honest.RECORDS if "records" in NAMES else [])]


@pytest.mark.parametrize(("sql", "texts"), [*((sql, {}) for sql in READS), *honest.WITH_PARAMETERS])
def test_reading_passes_and_runs(desk: Desk, sql: str, texts: dict[str, str]) -> None:
    desk.ask(sql, texts).collect()


@pytest.mark.parametrize("sql", attacks.ALL)
def test_anything_else_is_refused(desk: Desk, sql: str) -> None:
    with pytest.raises((QueryRefused, InputError)) as refused:
        desk.check(sql)
    assert isinstance(refused.value, LabelmillError)
    assert "Exception" not in str(refused.value)


def test_the_corpus_is_large_enough() -> None:
    assert len(set(attacks.ALL)) >= 150
    assert len({*READS, *(sql for sql, _ in honest.WITH_PARAMETERS)}) >= 60


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("drop table images", "DropTable"),
        ("insert overwrite directory '/tmp/x' using csv select 1", "InsertIntoDir"),
        ("select * from text.`/etc/passwd`", "text./etc/passwd"),
        ("select reflect('a', 'b')", r"reflect\(\)"),
        ("select transform(image_id) using 'id' as (x string) from images", "ScriptTransformation"),
        ("select 1; drop table images", "several statements"),
        ("select * from my_function(1)", "my_function"),
        ("select ? from images", "parameters have names"),
        ("select identifier('ref' || 'lect')(1)", "Identifier"),
    ],
)
def test_refusal_names_the_construct(spark: SparkSession, sql: str, named: str) -> None:
    with pytest.raises(QueryRefused, match=named):
        check_query(spark, sql, VIEWS)


def test_an_unknown_view_suggests_the_closest_match(spark: SparkSession) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'images'"):
        check_query(spark, "select * from image", VIEWS)


def test_a_name_of_with_does_not_leak_out_of_its_scope(spark: SparkSession) -> None:
    sql = "select * from (with t as (select 1) select * from t) join t"
    with pytest.raises(UnknownName, match="'t'"):
        check_query(spark, sql, VIEWS)


DEEP = "select " + "(" * 3000 + "1" + ")" * 3000


@pytest.mark.parametrize(
    "sql", ["", "  ", "selec 1", "select * from images where )", "select '\udc80'", DEEP]
)
def test_text_that_is_not_sql_is_an_input_error(spark: SparkSession, sql: str) -> None:
    with pytest.raises(InputError):
        check_query(spark, sql, VIEWS)


def test_long_expressions_are_not_deep_ones(spark: SparkSession) -> None:
    check_query(spark, "select " + " + ".join(["mean"] * 500) + " from images", VIEWS)


def test_a_checked_query_says_what_it_needs(spark: SparkSession) -> None:
    sql = (
        "with images as (select * from labels where version = :v) select * from images "
        "where class = :c and exists (select 1 from Truth where class = :c)"
    )
    checked = check_query(spark, sql, VIEWS)
    assert checked.parameters == ("v", "c")
    assert checked.views == {"labels", "truth"}
