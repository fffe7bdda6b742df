"""Decides whether a text is one query that only reads the catalogue's views.

Refusing "commands" is no guard: ``INSERT OVERWRITE DIRECTORY``, ``text.`/path` ``, ``reflect(…)``
and ``TRANSFORM … USING`` all parse as queries. So the plan of Spark's own parser is walked whole,
every node, expression, function and relation, and what is not listed in `guard_names` is refused.
Nothing is run or resolved on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import ParseException
from pyspark.sql import SparkSession

from labelmill.errors import InputError, QueryRefused, UnknownName
from labelmill.pipelines import guard_names as names

_CATALYST = "org.apache.spark.sql.catalyst."
_VALUES = (
    "org.apache.spark.sql.types.",
    "org.apache.spark.unsafe.types.",
    "java.lang.",
    "java.math.",
    "java.util.UUID",
    "scala.None$",
    "scala.Enumeration",
    "scala.math.BigDecimal",
)
"""Classes that hold a value or a type, never a plan."""


def check(spark: SparkSession, sql: str, views: Sequence[str], repeatable: bool = False) -> None:
    """Refuses whatever is not one query over `views`.

    Args:
        spark: Any session; only its parser is used.
        sql: The text.
        views: Names that may be read; compared without case.
        repeatable: Also refuse what may answer otherwise on the same snapshot (``rand()``,
            ``TABLESAMPLE``, ``LIMIT`` without ``ORDER BY``); for training sets.

    Raises:
        QueryRefused: The text does more than read; says which construct, and what is allowed.
        UnknownName: A relation that is no view; the near one is suggested.
        InputError: The text is not SQL.
    """
    _Walk({view.lower() for view in views}, repeatable).visit(_parse(spark, sql), frozenset())


def _parse(spark: SparkSession, sql: str) -> Any:
    if not sql.strip():
        raise InputError(
            'the query is empty; expected something like "select * from images limit 10"'
        )
    parser = spark._jsparkSession.sessionState().sqlParser()
    try:
        return parser.parsePlan(sql)
    except (ParseException, Py4JJavaError) as error:
        for end in (i for i, letter in enumerate(sql) if letter == ";"):
            if sql[end + 1 :].strip(" \t\r\n;") and _parses(parser, sql[:end]):
                raise QueryRefused(
                    "several statements in one text; expected one query. Run them one at a time"
                ) from None
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise InputError("not a query: " + "\n".join(lines[:5])) from None


def _parses(parser: Any, sql: str) -> bool:
    try:
        parser.parsePlan(sql)
    except (ParseException, Py4JJavaError):
        return False
    return True


class _Walk:
    """One walk over a parsed plan. `ctes` are the names of WITH that are in scope."""

    def __init__(self, views: set[str], repeatable: bool, in_window: bool = False) -> None:
        self._views, self._repeatable, self._in_window = views, repeatable, in_window

    def visit(self, node: Any, ctes: frozenset[str]) -> None:
        if node is None or isinstance(node, (str, int, float, bool, bytes, bytearray)):
            return
        kind = str(node.getClass().getName())
        if kind.startswith("scala.collection."):
            for item in _items(node.iterator()):
                self.visit(item, ctes)
        elif kind.startswith(("scala.Some", "scala.Tuple")):
            self._parts(node, ctes)
        elif kind.startswith(_CATALYST):
            self._node(node, kind.rsplit(".", 1)[1], kind, ctes)
        elif not kind.startswith(_VALUES):
            raise self._refused(kind)

    def _parts(self, node: Any, ctes: frozenset[str]) -> None:
        for part in _items(node.productIterator()):
            self.visit(part, ctes)

    def _node(self, node: Any, name: str, kind: str, ctes: frozenset[str]) -> None:
        if name == "Literal":
            return
        if name == "UnresolvedWith":
            self._with(node, ctes)
            return
        if name == "UnresolvedRelation":
            self._relation(node, ctes)
            return
        if name == "UnresolvedAttribute":
            self._attribute(node)
        elif name == "UnresolvedFunction":
            self._function([str(part) for part in _items(node.nameParts().iterator())])
        elif name == "UnresolvedGenerator":
            identifier = node.name()
            qualified = (
                [str(identifier.database().get())] if identifier.database().isDefined() else []
            )
            self._function([*qualified, str(identifier.funcName())])
            self.visit(node.children(), ctes)
            return
        elif name == "UnresolvedTableValuedFunction":
            self._table_function(node)
        elif name == "UnresolvedHint" and str(node.name()).lower() not in names.HINTS:
            raise QueryRefused(
                f"the hint {node.name()!r} is not allowed in a query over the catalogue"
            )
        elif self._repeatable:
            self._must_repeat(node, name)
        if name == "WindowExpression":
            # Over an ordered window `first_value` is as sure as the order is.
            ordered = _Walk(self._views, self._repeatable, in_window=True)
            ordered._parts(node, ctes)
            return
        known = names.PARTS
        if kind.startswith((_CATALYST + "plans.logical.", _CATALYST + "analysis.")):
            known = known | names.PLANS
        if kind.startswith((_CATALYST + "expressions.", _CATALYST + "analysis.")):
            known = known | names.EXPRESSIONS
        if name.rstrip("$") not in known:  # a Scala object's class ends with $
            raise self._refused(kind)
        self._parts(node, ctes)

    def _with(self, node: Any, ctes: frozenset[str]) -> None:
        for relation in _items(node.cteRelations().iterator()):
            self.visit(relation._2(), ctes)
            # A later query of the WITH, and the main one, may use this name; itself may not.
            ctes = ctes | {str(relation._1()).lower()}
        self.visit(node.child(), ctes)

    def _relation(self, node: Any, ctes: frozenset[str]) -> None:
        parts = [str(part) for part in _items(node.multipartIdentifier().iterator())]
        if len(parts) != 1:
            raise QueryRefused(
                f"{'.'.join(parts)} is not one of the catalogue's views: files, other catalogues and "
                f"databases cannot be read; expected one of: {', '.join(sorted(self._views))}"
            )
        if node.isStreaming() or not node.options().isEmpty():
            raise QueryRefused(f"{parts[0]} with options or as a stream is not allowed in a query")
        if parts[0].lower() not in self._views | ctes:
            raise UnknownName("view", parts[0], self._views | ctes)

    def _attribute(self, node: Any) -> None:
        # Spark reads a bare name that is no column as a function without parentheses.
        parts = [str(part).lower() for part in _items(node.nameParts().iterator())]
        if len(parts) == 1 and parts[0] in names.READ_ENVIRONMENT:
            raise QueryRefused(
                f"{parts[0]} is not allowed in a query over the catalogue: it reads who runs the query"
            )
        if len(parts) == 1 and parts[0] in names.BARE:
            self._refuse_unsure(parts[0])

    def _refuse_unsure(self, name: str) -> None:
        if self._repeatable and not (self._in_window and name in names.SURE_IN_WINDOW):
            raise QueryRefused(
                f"{name} may answer otherwise when the query runs again, so a training set cannot be "
                "made of it; to draw a share of the images use a hash of their id, for example "
                "`where pmod(xxhash64(image_id), 10) = 0`; for a time, write it out"
            )

    def _function(self, parts: list[str]) -> None:
        name = parts[-1].lower()
        if len(parts) != 1 or name not in names.FUNCTIONS:
            raise QueryRefused(
                f"the function {'.'.join(parts)}() is not allowed in a query over the catalogue; "
                "allowed are Spark's aggregate, window, mathematical, text, date, array, map, JSON "
                "and hash functions that only compute"
            )
        if name in names.NOT_REPEATABLE:
            self._refuse_unsure(name)

    def _table_function(self, node: Any) -> None:
        parts = [str(part) for part in _items(node.name().iterator())]
        if len(parts) != 1 or parts[0].lower() not in names.TABLE_FUNCTIONS:
            raise QueryRefused(
                f"the table function {'.'.join(parts)}() is not allowed in a query over the catalogue; "
                f"expected one of: {', '.join(sorted(names.TABLE_FUNCTIONS))}"
            )

    def _must_repeat(self, node: Any, name: str) -> None:
        if name in names.UNSURE_EXPRESSIONS:
            self._refuse_unsure(names.UNSURE_EXPRESSIONS[name])
        if name == "Sample":
            raise QueryRefused(
                "TABLESAMPLE draws other rows when the query runs again, so a training set cannot be "
                "made of it; use a hash, for example `where pmod(xxhash64(image_id), 10) = 0`"
            )
        if name == "LocalLimit":
            below = node.child()
            if below.getClass().getSimpleName() == "Offset":
                below = below.child()
            if below.getClass().getSimpleName() != "Sort" or not getattr(below, "global")():
                raise QueryRefused(
                    "LIMIT without ORDER BY takes any rows, so a training set cannot be made of it; "
                    "add for example `order by image_id`"
                )

    def _refused(self, kind: str) -> QueryRefused:
        construct = kind.rsplit(".", 1)[1].rstrip("$")
        return QueryRefused(
            f"the query holds {construct}, which is not allowed; only reading is: SELECT over the "
            f"views {', '.join(sorted(self._views))}, with joins, subqueries, WITH, set operations, "
            "window functions and LATERAL VIEW"
        )


def _items(iterator: Any) -> Iterator[Any]:
    while iterator.hasNext():
        yield iterator.next()
