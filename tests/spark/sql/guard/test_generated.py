"""Ten thousand random statements: refused, or without any effect."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from labelmill.errors import InputError, QueryRefused, UnknownName
from tests.spark.sql.guard.corpus.desk import SECRET, Desk, open_desk
from tests.spark.sql.guard.corpus.grammar import Made, broken, composed

STATEMENTS = 10_000
SEED = 81


def test_generated_statements_have_no_effect(spark: SparkSession, tmp_path: Path) -> None:
    desk = open_desk(spark, tmp_path)
    dice = random.Random(SEED)
    before = desk.world()
    verdicts: Counter[str] = Counter()
    for number in range(STATEMENTS):
        made = composed(dice) if number % 20 < 3 else broken(dice)
        verdict = _tried(desk, made, number)
        verdicts[verdict] += 1
        if made.bad is not None:
            # Spark may find that the types of an honest query do not fit; the guard may not.
            assert (verdict == "refused") == made.bad, made.sql
    assert desk.world() == before
    assert min(verdicts["passed"], verdicts["refused"]) > STATEMENTS / 10, verdicts


def _tried(desk: Desk, made: Made, number: int) -> str:
    """Passed, refused by the guard, or unfit for Spark; any other error is the test's."""
    try:
        if made.bad is False and number % 100:
            desk.check(made.sql)  # the grammar's own queries are resolved now and then
        else:
            # Spark runs a command as soon as it resolves it.
            answer = desk.ask(made.sql)
            if number % 80 == 0:
                assert SECRET not in _shown(answer)
    except (QueryRefused, UnknownName, InputError) as error:
        unfit = str(error).startswith(("the query does not fit", "unknown column"))
        return "unfit" if unfit else "refused"
    return "passed"


def _shown(answer: DataFrame) -> str:
    try:
        return str(answer.limit(20).collect())
    except (PySparkException, Py4JJavaError) as error:  # values that cannot be computed
        return str(error)


EFFECTS = [
    "insert overwrite directory '{canary}/out' using csv select 1",
    "create or replace temporary view stolen as select 1",
    "create temporary function f as 'org.apache.spark.sql.catalyst.expressions.Upper'",
    "cache table images",
    "set spark.sql.runSQLOnFiles=true",
    "create database d location '{canary}/d'",
    "select reflect('java.lang.System', 'setProperty', 'labelmill.canary', '{canary}')",
    "select transform(1) using 'touch {canary}/effect'",
]


@pytest.mark.parametrize("sql", EFFECTS)
def test_the_watch_sees_what_the_guard_keeps_out(
    spark: SparkSession, tmp_path: Path, sql: str
) -> None:
    desk = open_desk(spark, tmp_path)
    before = desk.world()
    try:
        desk.session.sql(sql.replace("{canary}", str(tmp_path))).collect()
        assert desk.world() != before
    finally:
        _undo(desk)


def _undo(desk: Desk) -> None:
    """Undoes what outlives the session."""
    own = desk.session
    own.sql("drop database if exists d cascade")
    own.catalog.clearCache()
    own._jvm.java.lang.System.clearProperty("labelmill.canary")
