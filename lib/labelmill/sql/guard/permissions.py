"""Whether single nodes of a plan are on the allowlist."""

from __future__ import annotations

from collections.abc import Sequence, Set

from labelmill.errors import QueryRefused
from labelmill.sql.guard import allowlist
from labelmill.sql.plan.node import Node

CATALYST = "org.apache.spark.sql.catalyst."
PLANS = CATALYST + "plans.logical."
_ANALYSIS = CATALYST + "analysis."
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


def is_value(node: Node) -> bool:
    """Whether a node holds a value or a type, and nothing else."""
    return node.kind.startswith(_VALUES) and not node.children


def is_collection(node: Node) -> bool:
    """Whether a node is a list, an option or a tuple of other nodes."""
    return node.kind.startswith(("scala.collection.", "scala.Some", "scala.Tuple"))


def is_listed(node: Node) -> bool:
    """Whether the allowlist has a class of Catalyst, as what it is used for."""
    if node.name in allowlist.PLAIN_VALUES:
        return True
    if node.kind.startswith((PLANS, _ANALYSIS)) and node.name in allowlist.PLANS:
        return True
    expressions = (CATALYST + "expressions.", _ANALYSIS)
    return node.kind.startswith(expressions) and node.name in allowlist.EXPRESSIONS


def refusal(node: Node, views: Set[str]) -> QueryRefused:
    """The error for a node that is not allowed."""
    if node.name == "PosParameter":
        return QueryRefused("the query contains `?`; parameters have names, for example `:since`")
    return QueryRefused(
        f"the query contains {node.name}, which is not allowed; a query may only read: SELECT over the "
        f"views {', '.join(sorted(views))}, with joins, subqueries, WITH, set operations, window "
        "functions and LATERAL VIEW"
    )


def require_view_name(relation: Node, views: Set[str]) -> str:
    """The name of a relation, as the query writes it.

    Args:
        relation: ``UnresolvedRelation``.
        views: Names that may be read.

    Raises:
        QueryRefused: The name has several parts, or comes with options or as a stream.
    """
    identifier, options, streaming = relation.children
    parts = identifier.texts()
    if len(parts) != 1:
        raise QueryRefused(
            f"{'.'.join(parts)} is not one of the catalogue's views: files, other catalogues and "
            f"databases cannot be read; expected one of: {', '.join(sorted(views))}"
        )
    if options.children or streaming.text != "false":
        raise QueryRefused(f"{parts[0]} with options or as a stream is not allowed in a query")
    return parts[0]


def require_function(name: Sequence[str]) -> str:
    """The name of a function, lower case.

    Args:
        name: Parts of the name, outermost first.

    Raises:
        QueryRefused: The function is not allowed.
    """
    function = name[-1].lower()
    if len(name) != 1 or function not in allowlist.FUNCTIONS:
        raise QueryRefused(
            f"the function {'.'.join(name)}() is not allowed in a query over the catalogue; "
            "allowed are Spark's aggregate, window, mathematical, text, date, array, map, JSON "
            "and hash functions that only compute"
        )
    return function


def require_table_function(name: Sequence[str]) -> None:
    """Refuses a table function that is not allowed.

    Raises:
        QueryRefused: It is not on the list.
    """
    if len(name) != 1 or name[0].lower() not in allowlist.TABLE_FUNCTIONS:
        raise QueryRefused(
            f"the table function {'.'.join(name)}() is not allowed in a query over the catalogue; "
            f"expected one of: {', '.join(sorted(allowlist.TABLE_FUNCTIONS))}"
        )


def require_hint(name: str) -> None:
    """Refuses a hint that is not allowed.

    Raises:
        QueryRefused: It is not on the list.
    """
    if name.lower() not in allowlist.HINTS:
        raise QueryRefused(f"the hint {name!r} is not allowed in a query over the catalogue")


def refuse_environment(name: Sequence[str]) -> None:
    """Refuses a bare name that Spark would resolve to something about its environment.

    Raises:
        QueryRefused: The name reads who runs the query.
    """
    # Spark reads a bare name that is not a column as a function without parentheses.
    if len(name) == 1 and name[0].lower() in allowlist.READ_ENVIRONMENT:
        raise QueryRefused(
            f"{name[0].lower()} is not allowed in a query over the catalogue: it reads who runs the "
            "query"
        )


def name_parts(identifier: Node) -> list[str]:
    """The parts of a ``FunctionIdentifier(name, database, catalog)``, outermost first."""
    name, *outer = identifier.children
    return [text for node in reversed(outer) for text in node.texts()] + [name.text or ""]
