"""Queries that Spark need not run: rows of one view, by equal values, maybe joined with `images`.

Most slices that are frozen are of this kind. Spark has parsed and resolved the query and says what
it does (`parsed_plan.selection`); here is seen whether that is all of it, and what has to be read.
What is not listed here is left to Spark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from labelmill.sql.plan.reader import Part
from labelmill.store.schema.tables import IMAGES, TABLES

TRUTH = "truth"

Where = tuple[int, str]
"""A column: which source, and its name there."""


@dataclass(frozen=True)
class Plain:
    """What a query reads.

    Attributes:
        view: Where its rows come from: a table of one collection, or ``truth``.
        equal: Column of that view → the text that it equals; ``collection`` is among them.
        joined: Only rows whose image is in `images`, and has these values there; None: no join.
        columns: Of the answer, in order: its name, whether it is of `images`, and the name there.
    """

    view: str
    equal: Mapping[str, str]
    joined: Mapping[str, str] | None
    columns: tuple[tuple[str, bool, str], ...]


def plain(query: Part) -> Plain | None:
    """A query as what it reads; None: Spark has to run it.

    Args:
        query: Of `labelmill.sql.plan.reader.selection`.
    """
    try:
        return _Walk().over(query)
    except _OtherwiseError:
        return None


class _OtherwiseError(Exception):
    """The query does something that is not known here."""


@dataclass
class _Walk:
    """Reads a plan of inner joins, filters and projections, whose conditions all hold at once."""

    views: list[str] = field(default_factory=list)
    # Number of a column → where it lies, or the number of the column that it is another name of.
    places: dict[str, Where] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    conditions: list[Part] = field(default_factory=list)

    def over(self, query: Part) -> Plain:
        if query.name != "Project":
            raise _OtherwiseError
        self._plan(query)
        equal, links = self._told()
        rows = self._rows(links)
        joined = 1 - rows if len(self.views) > 1 else None
        # One collection, on both sides of a join.
        found = {text for (_, name), text in equal.items() if name == "collection"}
        if len(found) != 1:
            raise _OtherwiseError
        sides: list[dict[str, str]] = [{"collection": min(found)} for _ in self.views]
        for (side, name), text in equal.items():
            sides[side][name] = text
        images = None if joined is None else sides[joined]
        return Plain(self.views[rows], sides[rows], images, tuple(self._answered(query, joined)))

    def _plan(self, part: Part) -> None:
        match part.name:
            case "View":
                self._view(part)
            case "SubqueryAlias":
                self._plan(part.parts[0])
            case "Project":
                below, *columns = part.parts
                for column in columns:
                    if column.name == "Alias":
                        self.renamed[_words(column, 1)[0]] = _number(column.parts[0])
                    elif column.name != "AttributeReference":
                        raise _OtherwiseError
                self._plan(below)
            case "Filter":
                self._plan(part.parts[0])
                self._condition(part.parts[1])
            case "Join" if part.text == "INNER":
                for below in part.parts[:2]:
                    self._plan(below)
                for condition in part.parts[2:]:
                    self._condition(condition)
            case _:
                raise _OtherwiseError

    def _view(self, view: Part) -> None:
        name, stands_for = view.text or "", view.parts[0]
        table = TABLES.get(name)
        if name == TRUTH and stands_for.name == "Project":
            columns = stands_for.parts[1:]
        elif table and "collection" in table.key and stands_for.name == "LogicalRelation":
            columns = stands_for.parts
        else:
            raise _OtherwiseError
        for column in columns:
            number, own = _numbered(column)
            if table is None or table.column(own).type == "string":
                self.places[number] = (len(self.views), own)
        self.views.append(name)

    def _condition(self, part: Part) -> None:
        if part.name == "And":
            for own in part.parts:
                self._condition(own)
        elif part.name == "EqualTo":
            self.conditions.append(part)
        else:
            raise _OtherwiseError

    def _told(self) -> tuple[dict[Where, str], set[frozenset[Where]]]:
        """What columns equal: texts, and each other."""
        equal: dict[Where, str] = {}
        links: set[frozenset[Where]] = set()
        for one in self.conditions:
            left, right = one.parts
            if left.name == "Literal":
                left, right = right, left
            at = self._place(_number(left))
            if right.name != "Literal":
                links.add(frozenset((at, self._place(_number(right)))))
                continue
            words = _words(right, 1)
            if words[0] != "string" or len(words) == 1:
                raise _OtherwiseError
            if equal.setdefault(at, words[1]) != words[1]:
                raise _OtherwiseError
        return equal, links

    def _rows(self, links: set[frozenset[Where]]) -> int:
        """Which source the rows come from; the other one, if there is one, is `images`."""
        if len(self.views) == 1 and not links:
            return 0
        whole = {frozenset(((0, name), (1, name))) for name in IMAGES.key}
        if len(self.views) != 2 or links != whole or IMAGES.name not in self.views:
            raise _OtherwiseError
        # Their key is one row of `images`: a join with it gives no row twice.
        return 1 - self.views.index(IMAGES.name)

    def _answered(self, query: Part, joined: int | None) -> Iterator[tuple[str, bool, str]]:
        for column in query.parts[1:]:
            number, shown = _numbered(column)
            side, own = self._place(number)
            yield shown, side == joined, own

    def _place(self, number: str) -> Where:
        while number in self.renamed:
            number = self.renamed[number]
        if number not in self.places:  # no text, or made by something else
            raise _OtherwiseError
        return self.places[number]


def _number(part: Part) -> str:
    """The number of a column, which may be cast to the text that it is."""
    while part.name == "Cast" and part.text == "string":
        part = part.parts[0]
    if part.name != "AttributeReference":
        raise _OtherwiseError
    return _words(part, 2)[0]


def _numbered(column: Part) -> tuple[str, str]:
    """The number and the name of a column of a projection."""
    if column.name == "Alias":
        number, name = _words(column, 1)
    elif column.name == "AttributeReference":
        number, _, name = _words(column, 2)
    else:
        raise _OtherwiseError
    return number, name


def _words(part: Part, spaces: int) -> list[str]:
    return (part.text or "").split(" ", spaces)
