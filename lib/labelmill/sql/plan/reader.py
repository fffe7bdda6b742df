"""Spark's view of a query as plain data: its parsed plan, and what an analysed plan casts and selects.

Plans live in the JVM, where looking at a node from Python costs a round trip. The Java classes
beside this module read a whole plan in one call and judge nothing, so the guard needs no Spark.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any
from weakref import WeakKeyDictionary

from pyspark.sql import DataFrame, SparkSession

from labelmill.errors import InputError, QueryRefused
from labelmill.sql.plan.node import Node, build_tree

_PACKAGE = "labelmill.sql.plan"
_SOURCES = ("NodeWriter", "PlanReader", "CastReader", "SelectionReader")


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


def read_binary_casts(df: DataFrame) -> list[tuple[Any, Any, str]]:
    """Reads the casts, explicit or implicit, of values that contain binary data; nothing runs.

    Returns:
        Type of the value and type it is cast to, both as Spark's JSON; SQL of the value.
    """
    analysed = df._jdf.queryExecution().analyzed()
    answer = _compiled(df.sparkSession, "CastReader").read(analysed)
    return [tuple(cast) for cast in json.loads(answer)]


def read_selection(df: DataFrame) -> Node:
    """Reads what a query does, as far as it selects, renames, compares and joins; nothing runs.

    Returns:
        The analysed plan, with the nodes that `SelectionReader.java` lists; any other node has no
        children.
    """
    analysed = df._jdf.queryExecution().analyzed()
    return build_tree(json.loads(_compiled(df.sparkSession, "SelectionReader").read(analysed)))


def _parse(spark: SparkSession, sql: str) -> str:
    parser = spark._jsparkSession.sessionState().sqlParser()
    return str(_compiled(spark, "PlanReader").read(parser, sql))


_LOADERS: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""Gateway to a JVM → class loader of the compiled readers."""

_READERS: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
"""Gateway to a JVM → readers by name; compiling one takes longer than guarding most queries."""


def _compiled(spark: SparkSession, name: str) -> Any:
    """An instance of a Java class of this package, compiled by the compiler that Spark ships."""
    gateway: Any = spark.sparkContext._gateway
    readers = _READERS.setdefault(gateway, {})
    if name not in readers:
        if gateway not in _LOADERS:
            _LOADERS[gateway] = _open_loader(spark, gateway.jvm)
        readers[name] = _LOADERS[gateway].loadClass(f"{_PACKAGE}.{name}").newInstance()
    return readers[name]


def _open_loader(spark: SparkSession, jvm: Any) -> Any:
    """A class loader that compiles the sources beside this module when they are first used."""
    sources = jvm.org.codehaus.commons.compiler.util.resource.MapResourceFinder()
    for name in _SOURCES:
        text = files(_PACKAGE).joinpath(f"{name}.java").read_text("utf-8")
        sources.addResource(f"{_PACKAGE.replace('.', '/')}/{name}.java", text)
    parent = spark._jsparkSession.getClass().getClassLoader()
    return jvm.org.codehaus.janino.JavaSourceClassLoader(parent, sources, "utf-8")
