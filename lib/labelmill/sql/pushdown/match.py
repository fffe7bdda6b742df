"""Recognises queries that bypass Spark: rows of one view by equal values, maybe joined with `images`.

Most slices that are frozen are of this form. Spark has parsed and resolved the query and says what it
does (`plan.reader.read_selection`). This module decides whether that is all it does, and what has to
be read. Any query that is not recognised here is left to Spark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from labelmill.sql.plan.node import Node
from labelmill.store.schema.tables import IMAGES, TABLES

TRUTH = "truth"

SourceColumn = tuple[int, str]
"""A column: number of its view, and its name there."""


@dataclass(frozen=True)
class StoreQuery:
    """What a query reads.

    Attributes:
        view: Where its rows come from: a table of one collection, or ``truth``.
        equal: Column of that view → the text that it must equal; ``collection`` is among them.
        joined: Only rows whose image is in `images` and has these values there; None: no join.
        columns: Of the answer, in order: its name, whether it is read from `images`, and its name
            there.
    """

    view: str
    equal: Mapping[str, str]
    joined: Mapping[str, str] | None
    columns: tuple[tuple[str, bool, str], ...]


def match_query(plan: Node) -> StoreQuery | None:
    """What a query reads; None if Spark has to run it.

    Args:
        plan: Result of `labelmill.sql.plan.reader.read_selection`.
    """
    try:
        return _Matcher().match(plan)
    except _UnsupportedError:
        return None


class _UnsupportedError(Exception):
    """The query does something that this module does not know."""


@dataclass
class _Matcher:
    """Reads a plan of inner joins, filters and projections, whose conditions must all hold."""

    views: list[str] = field(default_factory=list)
    # Number of a column → its source, or the number of the column that it renames.
    sources: dict[str, SourceColumn] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    conditions: list[Node] = field(default_factory=list)

    def match(self, query: Node) -> StoreQuery:
        if query.name != "Project":
            raise _UnsupportedError
        self._add_plan(query)
        equal, links = self._equalities()
        rows = self._row_source(links)
        joined = 1 - rows if len(self.views) > 1 else None
        # One collection, on both sides of a join.
        collections = {text for (_, name), text in equal.items() if name == "collection"}
        if len(collections) != 1:
            raise _UnsupportedError
        sides: list[dict[str, str]] = [{"collection": min(collections)} for _ in self.views]
        for (side, name), text in equal.items():
            sides[side][name] = text
        images = None if joined is None else sides[joined]
        columns = tuple(self._output_columns(query, joined))
        return StoreQuery(self.views[rows], sides[rows], images, columns)

    def _add_plan(self, plan: Node) -> None:
        match plan.name:
            case "View":
                self._add_view(plan)
            case "SubqueryAlias":
                self._add_plan(plan.children[0])
            case "Project":
                below, *columns = plan.children
                for column in columns:
                    if column.name == "Alias":
                        self.renamed[_words(column, 1)[0]] = _column_number(column.children[0])
                    elif column.name != "AttributeReference":
                        raise _UnsupportedError
                self._add_plan(below)
            case "Filter":
                self._add_plan(plan.children[0])
                self._add_condition(plan.children[1])
            case "Join" if plan.text == "INNER":
                for below in plan.children[:2]:
                    self._add_plan(below)
                for condition in plan.children[2:]:
                    self._add_condition(condition)
            case _:
                raise _UnsupportedError

    def _add_view(self, view: Node) -> None:
        name, definition = view.text or "", view.children[0]
        table = TABLES.get(name)
        if name == TRUTH and definition.name == "Project":
            columns = definition.children[1:]
        elif table and "collection" in table.key and definition.name == "LogicalRelation":
            columns = definition.children
        else:
            raise _UnsupportedError
        for column in columns:
            number, own = _number_and_name(column)
            if table is None or table.column(own).type == "string":
                self.sources[number] = (len(self.views), own)
        self.views.append(name)

    def _add_condition(self, condition: Node) -> None:
        if condition.name == "And":
            for child in condition.children:
                self._add_condition(child)
        elif condition.name == "EqualTo":
            self.conditions.append(condition)
        else:
            raise _UnsupportedError

    def _equalities(self) -> tuple[dict[SourceColumn, str], set[frozenset[SourceColumn]]]:
        """Columns that must equal a text, and pairs of columns that must equal each other."""
        equal: dict[SourceColumn, str] = {}
        links: set[frozenset[SourceColumn]] = set()
        for condition in self.conditions:
            left, right = condition.children
            if left.name == "Literal":
                left, right = right, left
            column = self._resolve(_column_number(left))
            if right.name != "Literal":
                links.add(frozenset((column, self._resolve(_column_number(right)))))
                continue
            words = _words(right, 1)
            if words[0] != "string" or len(words) == 1:
                raise _UnsupportedError
            if equal.setdefault(column, words[1]) != words[1]:
                raise _UnsupportedError
        return equal, links

    def _row_source(self, links: set[frozenset[SourceColumn]]) -> int:
        """Number of the view that the rows come from; the other one, if any, is `images`."""
        if len(self.views) == 1 and not links:
            return 0
        whole_key = {frozenset(((0, name), (1, name))) for name in IMAGES.key}
        if len(self.views) != 2 or links != whole_key or IMAGES.name not in self.views:
            raise _UnsupportedError
        # The whole key matches at most one row of `images`, so the join repeats no row.
        return 1 - self.views.index(IMAGES.name)

    def _output_columns(self, query: Node, joined: int | None) -> Iterator[tuple[str, bool, str]]:
        for column in query.children[1:]:
            number, name = _number_and_name(column)
            side, own = self._resolve(number)
            yield name, side == joined, own

    def _resolve(self, number: str) -> SourceColumn:
        while number in self.renamed:
            number = self.renamed[number]
        if number not in self.sources:  # not text, or computed
            raise _UnsupportedError
        return self.sources[number]


def _column_number(expression: Node) -> str:
    """The number of a column, which may be cast from string to string."""
    while expression.name == "Cast" and expression.text == "string":
        expression = expression.children[0]
    if expression.name != "AttributeReference":
        raise _UnsupportedError
    return _words(expression, 2)[0]


def _number_and_name(column: Node) -> tuple[str, str]:
    """The number and the name of a column of a projection."""
    if column.name == "Alias":
        number, name = _words(column, 1)
    elif column.name == "AttributeReference":
        number, _, name = _words(column, 2)
    else:
        raise _UnsupportedError
    return number, name


def _words(node: Node, spaces: int) -> list[str]:
    return (node.text or "").split(" ", spaces)
