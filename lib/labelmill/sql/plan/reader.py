"""What Spark makes of a text, as plain data: its parsed plan, and the casts of an analysed one.

The plan lives in the JVM, where a look at each node costs a call. `PlanReader.java` parses and reads
it in one go, without judging; who judges (`guard_walk`) then needs no Spark.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from weakref import WeakKeyDictionary

from pyspark.sql import DataFrame, SparkSession

from labelmill.errors import InputError, QueryRefused


@dataclass(frozen=True, slots=True)
class Part:
    """A node of the plan, or a value inside one.

    Attributes:
        kind: Its Java class.
        parts: What it is made of, in the order of the class's constructor.
        text: Of a string, number or truth value; else None.
        start: First character in the query, counted in code points; -1 where the parser keeps none.
        stop: Last character.
    """

    kind: str
    parts: tuple[Part, ...] = ()
    text: str | None = None
    start: int = -1
    stop: int = -1

    @property
    def name(self) -> str:
        """The class without its package; a Scala object's ends with ``$``, which is cut."""
        return self.kind.rsplit(".", 1)[-1].rstrip("$")

    def everything(self) -> Iterator[Part]:
        """This part and all below it, each before its own."""
        waiting = [self]
        while waiting:
            part = waiting.pop()
            yield part
            waiting.extend(reversed(part.parts))

    def texts(self) -> list[str]:
        """The strings of a list, for example the parts of a dotted name."""
        return [part.text for part in self.parts if part.text is not None]


def parse(spark: SparkSession, sql: str) -> Part:
    """Spark's parsed plan of one query.

    Raises:
        QueryRefused: Several statements.
        InputError: Not SQL, no Unicode, or nested deeper than Spark's parser can follow.
    """
    if not sql.strip():
        raise InputError(
            'the query is empty; expected something like "select * from images limit 10"'
        )
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the query is no Unicode text: {error.reason} at {error.start}") from None
    answer = _parsed(spark, sql)
    if answer.startswith("["):
        return built(json.loads(answer))
    if answer == "^":
        raise InputError(
            "the query is nested too deeply for Spark's parser; cut it into parts by WITH"
        )
    for end in (i for i, letter in enumerate(sql) if letter == ";"):
        if sql[end + 1 :].strip(" \t\r\n;") and parses(spark, sql[:end]):
            raise QueryRefused(
                "several statements in one text; expected one query. Run them one at a time"
            )
    lines = [line for line in answer[1:].splitlines() if line.strip()]
    raise InputError("not a query: " + "\n".join(lines[:5]))


def parses(spark: SparkSession, sql: str) -> bool:
    """Whether a text is SQL at all."""
    return _parsed(spark, sql).startswith("[")


def casts_of_bytes(answer: DataFrame) -> list[tuple[Any, Any, str]]:
    """Casts of values that hold bytes somewhere, written or implicit; nothing runs.

    Returns:
        Type of the value, type that it becomes, both as Spark's JSON; expression of the value.
    """
    analysed = answer._jdf.queryExecution().analyzed()
    return [tuple(one) for one in json.loads(_reader(answer.sparkSession).casts(analysed))]


def selection(answer: DataFrame) -> Part:
    """What a query does, as far as it only selects, renames, compares and joins; nothing runs.

    Returns:
        The analysed plan, its parts as `PlanReader.selection` says; anything else is a part without
        parts.
    """
    analysed = answer._jdf.queryExecution().analyzed()
    return built(json.loads(_reader(answer.sparkSession).selection(analysed)))


def _parsed(spark: SparkSession, sql: str) -> str:
    parser = spark._jsparkSession.sessionState().sqlParser()
    return str(_reader(spark).parse(parser, sql))


def built(rows: list[list[Any]]) -> Part:
    """The tree of a list in which each part stands before its own parts (`PlanReader.read`)."""
    done: list[Part] = []
    # From the end: a part's own parts are then the last that were made.
    for kind, count, start, stop, text in reversed(rows):
        own = tuple(done.pop() for _ in range(count))
        done.append(Part(kind, own, text, start, stop))
    return done[0]


_READERS: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""Gateway to a JVM → the reader compiled in it; compiling takes longer than most queries' guard."""


def _reader(spark: SparkSession) -> Any:
    gateway: Any = spark.sparkContext._gateway
    if gateway not in _READERS:
        jvm = gateway.jvm
        source = files("labelmill.sql.plan").joinpath("PlanReader.java").read_text("utf-8")
        compiler = jvm.org.codehaus.janino.SimpleCompiler()
        compiler.setParentClassLoader(spark._jsparkSession.getClass().getClassLoader())
        compiler.cook(source)
        made = compiler.getClassLoader().loadClass("labelmill.sql.plan.PlanReader")
        _READERS[gateway] = made.newInstance()
    return _READERS[gateway]
