"""One walk over a parsed plan: refuses what is not listed, notes what the query needs.

Pure: parts in, a verdict out. The walk keeps its own stack, so that no query is too deep for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from labelmill.errors import QueryRefused, UnknownName
from labelmill.sql.guard import allowlist as names
from labelmill.sql.guard import binary_as_text as guard_bytes
from labelmill.sql.guard import nondeterministic as unsure
from labelmill.sql.guard import repeatability as repeat
from labelmill.sql.plan.reader import Part
from labelmill.sql.sampling import Sample

_CATALYST = "org.apache.spark.sql.catalyst."
_VALUES = (
    "null",
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


@dataclass(frozen=True)
class Scope:
    """What a part may refer to, and what stands around it.

    Attributes:
        ctes: Names of WITH → whether their rows are groups (`guard_repeat.loose`).
        windows: Names of WINDOW → their definition.
        loose: The expressions are of a query over groups.
        ordered: Within a window function whose order is sure.
        sorted: Within a function that does not mind the order of its array.
    """

    ctes: Mapping[str, bool] = field(default_factory=dict)
    windows: Mapping[str, Part] = field(default_factory=dict)
    loose: bool = False
    ordered: bool = False
    sorted: bool = False


_Below = Iterable[tuple[Part, Scope]]


class Walk:
    """A walk over one query.

    Args:
        sql: The text.
        views: Lower-case names that may be read.
        repeatable: Refuse what may answer otherwise (`guard_repeat`).

    Attributes:
        parameters: Named parameters, in the order of their first use.
        read: Views that are read.
        draws: Samples of views, with the seed that the parser gave; only when `repeatable`.
    """

    def __init__(self, sql: str, views: set[str], repeatable: bool) -> None:
        self._sql, self._views, self._repeatable = sql, views, repeatable
        self._sure: frozenset[str] = frozenset()
        # Told when nothing worse is found.
        self._taken: str | None = None
        self.parameters: list[str] = []
        self.read: set[str] = set()
        self.draws: list[Sample] = []

    def over(self, plan: Part) -> None:
        """Walks the whole plan.

        Raises:
            QueryRefused: Something that is not on the lists.
            UnknownName: A relation that is no view.
            InputError: Constant bytes that are taken for text.
        """
        if self._repeatable:
            self._sure = repeat.sure_columns(plan)
        waiting = [(plan, Scope())]
        while waiting:
            part, scope = waiting.pop()
            waiting.extend(reversed(list(self._visit(part, scope))))
        if self._taken is not None:
            raise guard_bytes.taken_for_text(self._taken)

    def _visit(self, part: Part, scope: Scope) -> _Below:
        if part.kind.startswith(_CATALYST):
            return self._node(part, scope)
        if part.kind.startswith(_VALUES) and not part.parts:
            return ()
        if part.kind.startswith(("scala.collection.", "scala.Some", "scala.Tuple")):
            return _each(part, scope)
        raise self._refused(part)

    def _node(self, part: Part, scope: Scope) -> _Below:
        self._must_be_listed(part)
        match part.name:
            case "Literal":
                if self._repeatable:
                    repeat.refuse_special_time(part, self._sql)
                return ()
            case "UnresolvedWith":
                return self._with(part, scope)
            case "UnresolvedRelation":
                self._relation(part, scope)
                return ()
            case "UnresolvedAttribute":
                self._attribute(part)
            case "NamedParameter":
                self._parameter(part)
            case "UnresolvedFunction":
                return self._call(part, scope)
            case "UnresolvedGenerator":
                self._function(_parts_of_name(part.parts[0]), scope)
                return _each(part.parts[1], scope)
            case "UnresolvedInlineTable":
                self._taken = self._taken or guard_bytes.taken_in_values(part)
            case "UnresolvedTableValuedFunction":
                self._table_function(part)
            case "UnresolvedHint":
                self._hint(part)
            case "WithWindowDefinition":
                return _each(part, replace(scope, windows={**scope.windows, **_windows(part)}))
            case "WindowExpression" | "UnresolvedWindowExpression":
                return self._window(part, scope)
            case "Alias" if part.parts[1].text == "classes":
                # A training set of several classes an image sorts them itself.
                return _each(part, replace(scope, sorted=True))
            case _ if self._repeatable:
                self._must_repeat(part, scope)
        if part.kind.startswith(_CATALYST + "plans.logical."):
            scope = replace(scope, loose=repeat.loose(part, scope.ctes), ordered=False)
        return _each(part, scope)

    def _must_be_listed(self, part: Part) -> None:
        listed = part.name in names.PARTS
        if part.kind.startswith((_CATALYST + "plans.logical.", _CATALYST + "analysis.")):
            listed = listed or part.name in names.PLANS
        if part.kind.startswith((_CATALYST + "expressions.", _CATALYST + "analysis.")):
            listed = listed or part.name in names.EXPRESSIONS
        if not listed:
            raise self._refused(part)

    def _with(self, part: Part, scope: Scope) -> _Below:
        child, relations = part.parts[:2]
        for relation in relations.parts:
            name, query = relation.parts
            yield query, scope
            # A later query of the WITH, and the main one, may use this name; itself may not.
            rows = repeat.loose(query, scope.ctes)
            scope = replace(scope, ctes={**scope.ctes, (name.text or "").lower(): rows})
        yield child, scope

    def _relation(self, part: Part, scope: Scope) -> None:
        identifier, options, streaming = part.parts
        parts = identifier.texts()
        if len(parts) != 1:
            raise QueryRefused(
                f"{'.'.join(parts)} is not one of the catalogue's views: files, other catalogues and "
                f"databases cannot be read; expected one of: {', '.join(sorted(self._views))}"
            )
        if options.parts or streaming.text != "false":
            raise QueryRefused(f"{parts[0]} with options or as a stream is not allowed in a query")
        name = parts[0].lower()
        if name in scope.ctes:
            return
        if name not in self._views:
            raise UnknownName("view", parts[0], self._views | set(scope.ctes))
        self.read.add(name)

    def _attribute(self, part: Part) -> None:
        # Spark reads a bare name that is no column as a function without parentheses.
        parts = [name.lower() for name in part.parts[0].texts()]
        if len(parts) == 1 and parts[0] in names.READ_ENVIRONMENT:
            raise QueryRefused(
                f"{parts[0]} is not allowed in a query over the catalogue: it reads who runs the query"
            )
        if self._repeatable and len(parts) == 1 and parts[0] in unsure.BARE:
            repeat.refuse_function(parts[0])

    def _parameter(self, part: Part) -> None:
        name = part.parts[0].text or ""
        if name not in self.parameters:
            self.parameters.append(name)

    def _call(self, part: Part, scope: Scope) -> _Below:
        parts = part.parts[0].texts()
        self._function(parts, scope)
        if parts[-1].lower() == "reverse":
            self._taken = self._taken or guard_bytes.taken_constant(part)
        return _each(part, replace(scope, sorted=parts[-1].lower() in unsure.SORTS, ordered=False))

    def _function(self, parts: list[str], scope: Scope) -> None:
        name = parts[-1].lower()
        if len(parts) != 1 or name not in names.FUNCTIONS:
            raise QueryRefused(
                f"the function {'.'.join(parts)}() is not allowed in a query over the catalogue; "
                "allowed are Spark's aggregate, window, mathematical, text, date, array, map, JSON "
                "and hash functions that only compute"
            )
        if self._repeatable:
            self._sure_function(name, scope)

    def _sure_function(self, name: str, scope: Scope) -> None:
        by_order = name in unsure.BY_ORDER and scope.ordered
        gathered = name in unsure.LISTS and scope.sorted
        if not (by_order or gathered):
            repeat.refuse_function(name)

    def _table_function(self, part: Part) -> None:
        parts = part.parts[0].texts()
        if len(parts) != 1 or parts[0].lower() not in names.TABLE_FUNCTIONS:
            raise QueryRefused(
                f"the table function {'.'.join(parts)}() is not allowed in a query over the catalogue; "
                f"expected one of: {', '.join(sorted(names.TABLE_FUNCTIONS))}"
            )

    def _hint(self, part: Part) -> None:
        name = part.parts[0].text or ""
        if name.lower() not in names.HINTS:
            raise QueryRefused(f"the hint {name!r} is not allowed in a query over the catalogue")

    def _window(self, part: Part, scope: Scope) -> _Below:
        function, spec = part.parts[:2]
        if self._repeatable and not scope.loose:
            named = spec.parts[0].text if spec.name == "WindowSpecReference" else None
            known = scope.windows.get(named) if named is not None else spec
            repeat.refuse_ties(function, known, self._sql, self._sure)
        yield function, replace(scope, ordered=True)
        yield spec, scope

    def _must_repeat(self, part: Part, scope: Scope) -> None:
        if part.name in unsure.CLASSES:
            self._sure_function(unsure.CLASSES[part.name], scope)
        if part.name == "Sample":
            self.draws.append(self._draw(part, scope))
        if part.name in ("LocalLimit", "Offset"):
            rows = repeat.loose(part, scope.ctes)
            repeat.refuse_any_rows(part, self._sql, self._sure, rows)

    def _draw(self, part: Part, scope: Scope) -> Sample:
        # Sample(lower bound, upper bound, with replacement, seed, child)
        _, share, _, seed, below = part.parts
        named = below.name != "UnresolvedRelation"
        while below.name in ("SubqueryAlias", "UnresolvedSubqueryColumnAliases"):
            below = below.parts[-1]
        view = ".".join(below.parts[0].texts()).lower()
        if below.name != "UnresolvedRelation" or view in scope.ctes:
            raise QueryRefused(
                "TABLESAMPLE over a subquery, a join or a name of WITH draws other rows when the "
                "query runs again, so a training set cannot be made of it; sample a view (`images "
                "tablesample (10 percent) repeatable (7)`), or use a hash of the id, for example "
                "`where pmod(xxhash64(image_id), 10) = 0`"
            )
        return Sample(
            view,
            float(share.text or 0),
            int(seed.text or 0),
            (below.start, below.stop),
            (part.start, part.stop),
            named,
        )

    def _refused(self, part: Part) -> QueryRefused:
        if part.name == "PosParameter":
            return QueryRefused("the query holds `?`; parameters have names, for example `:since`")
        return QueryRefused(
            f"the query holds {part.name}, which is not allowed; only reading is: SELECT over the "
            f"views {', '.join(sorted(self._views))}, with joins, subqueries, WITH, set operations, "
            "window functions and LATERAL VIEW"
        )


def _each(part: Part, scope: Scope) -> _Below:
    return [(own, scope) for own in part.parts]


def _parts_of_name(identifier: Part) -> list[str]:
    """The parts of a ``FunctionIdentifier(name, database, catalog)``, outermost first."""
    name, *outer = identifier.parts
    return [text for part in reversed(outer) for text in part.texts()] + [name.text or ""]


def _windows(part: Part) -> dict[str, Part]:
    """The windows that ``WINDOW name AS (…)`` defines."""
    pairs = (pair.parts for pair in part.parts[0].parts)
    return {name.text: spec for name, spec in pairs if name.text is not None}
