"""Spark's view of a query as plain data: its parsed plan, and what an analysed plan casts and selects.

Plans live in the JVM, where looking at a node from Python costs a round trip. The Java classes
beside this module read a whole plan in one call and judge nothing, so the guard needs no Spark.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from labelmill.errors import InputError, QueryRefused
from labelmill.java_sources import compiled
from labelmill.sql.plan.node import Node, build_tree

_PACKAGE = "labelmill.sql.plan"


def parse(spark: SparkSession, sql: str) -> Node:
    """Parses one query with Spark's parser.

    Raises:
        QueryRefused: Several statements.
        InputError: Not SQL, not Unicode, or nested too deeply for Spark's parser.
    """
    if not sql.strip():
        raise InputError(
            'the query is empty; expected something like "select * from images limit 10"'
        )
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"the query is not Unicode text: {error.reason} at {error.start}"
        ) from None
    answer = _parse(spark, sql)
    if answer.startswith("["):
        return build_tree(json.loads(answer))
    if answer == "^":
        raise InputError(
            "the query is nested too deeply for Spark's parser; split it into parts with WITH"
        )
    for end in (i for i, letter in enumerate(sql) if letter == ";"):
        if sql[end + 1 :].strip(" \t\r\n;") and parses(spark, sql[:end]):
            raise QueryRefused(
                "several statements in one text; expected one query. Run them one at a time"
            )
    lines = [line for line in answer[1:].splitlines() if line.strip()]
    raise InputError("not a query: " + "\n".join(lines[:5]))


def parses(spark: SparkSession, sql: str) -> bool:
    """Whether Spark can parse a text."""
    return _parse(spark, sql).startswith("[")


@dataclass(frozen=True)
class Casts:
    """Casts that change what a query means.

    Attributes:
        binary: Of values that contain binary data, explicit or implicit: type of the value and type
            it is cast to, both as Spark's JSON; SQL of the value.
        compared: SQL of the comparisons for which Spark turns text into another type.
    """

    binary: tuple[tuple[Any, Any, str], ...]
    compared: tuple[str, ...]


def read_casts(df: DataFrame) -> Casts:
    """Reads the casts of an answer's plan; nothing runs."""
    analysed = df._jdf.queryExecution().analyzed()
    answer = json.loads(compiled(df.sparkSession, _PACKAGE, "CastReader").read(analysed))
    return Casts(
        tuple((source, target, sql) for source, target, sql in answer if source != "string"),
        tuple(sql for source, _, sql in answer if source == "string"),
    )


def read_selection(df: DataFrame) -> Node:
    """Reads what a query does, as far as it selects, renames, compares and joins; nothing runs.

    Returns:
        The analysed plan, with the nodes that `SelectionReader.java` lists; any other node has no
        children.
    """
    analysed = df._jdf.queryExecution().analyzed()
    return build_tree(
        json.loads(compiled(df.sparkSession, _PACKAGE, "SelectionReader").read(analysed))
    )


def _parse(spark: SparkSession, sql: str) -> str:
    parser = spark._jsparkSession.sessionState().sqlParser()
    return str(compiled(spark, _PACKAGE, "PlanReader").read(parser, sql))
