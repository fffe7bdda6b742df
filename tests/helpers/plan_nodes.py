"""Nodes of parsed plans built by hand, as Spark's parser makes them; no JVM.

`tests.spark.sql.guard.test_nodes` compares them with the parser's own.
"""

from __future__ import annotations

from labelmill.sql.plan.node import Node

CATALYST = "org.apache.spark.sql.catalyst."
NONE = Node("scala.None$")


def value(kind: str, text: str) -> Node:
    """A string, number or boolean."""
    return Node(f"java.lang.{kind}", text=text)


def text(string: str) -> Node:
    return value("String", string)


def flag(is_true: bool) -> Node:
    return value("Boolean", str(is_true).lower())


def items(*nodes: Node) -> Node:
    """A list."""
    return Node("scala.collection.mutable.ArrayBuffer", nodes)


def plan(name: str, *children: Node) -> Node:
    return Node(f"{CATALYST}plans.logical.{name}", children)


def unresolved(name: str, *children: Node) -> Node:
    return Node(f"{CATALYST}analysis.Unresolved{name}", children)


def expression(name: str, *children: Node) -> Node:
    return Node(f"{CATALYST}expressions.{name}", children)


def column(name: str) -> Node:
    return unresolved("Attribute", items(*map(text, name.split("."))))


def call(name: str, *arguments: Node) -> Node:
    parts = items(*map(text, name.split(".")))
    return unresolved("Function", parts, items(*arguments), flag(False), NONE, flag(False))


def number(whole: int) -> Node:
    return literal(value("Integer", str(whole)), "IntegerType$")


def literal(held: Node, kind: str, start: int = -1, stop: int = -1) -> Node:
    children = (held, Node(f"org.apache.spark.sql.types.{kind}"))
    return Node(f"{CATALYST}expressions.Literal", children, None, start, stop)


def binary() -> Node:
    return literal(Node("[B"), "BinaryType$")


def parameter(name: str) -> Node:
    return Node(f"{CATALYST}analysis.NamedParameter", (text(name),))


def alias(node: Node, name: str) -> Node:
    return expression("Alias", node, text(name))


def relation(name: str, start: int = -1, stop: int = -1) -> Node:
    children = (
        items(*map(text, name.split("."))),
        Node("org.apache.spark.sql.util.CaseInsensitiveStringMap"),
        flag(False),
    )
    return Node(f"{CATALYST}analysis.UnresolvedRelation", children, None, start, stop)


def named(below: Node, name: str) -> Node:
    """A relation with an alias."""
    identifier = Node(f"{CATALYST}AliasIdentifier", (text(name), items()))
    return plan("SubqueryAlias", identifier, below)


def select(below: Node, *columns: Node) -> Node:
    return plan("Project", items(*columns or (column("uri"),)), below)


def group(below: Node, by: Node, *columns: Node) -> Node:
    return plan("Aggregate", items(by), items(*columns or (by,)), below)


def order(*by: Node) -> Node:
    return items(
        *(
            expression(
                "SortOrder", node, expression("Ascending$"), expression("NullsFirst$"), items()
            )
            for node in by
        )
    )


def sort(below: Node, *by: Node, whole: bool = True) -> Node:
    """ORDER BY; SORT BY if not `whole`."""
    return plan("Sort", order(*by), flag(whole), below)


def limit(below: Node, count: int = 5) -> Node:
    return plan("GlobalLimit", number(count), plan("LocalLimit", number(count), below))


def with_(main: Node, **queries: Node) -> Node:
    pairs = (
        Node("scala.Tuple2", (text(name), named(query, name))) for name, query in queries.items()
    )
    return plan("UnresolvedWith", main, items(*pairs))


UNSPECIFIED = expression("UnspecifiedFrame$")


def rows_between(low: Node, high: Node) -> Node:
    return expression("SpecifiedWindowFrame", expression("RowFrame$"), low, high)


def window(*by: Node, frame: Node = UNSPECIFIED) -> Node:
    return expression("WindowSpecDefinition", items(), order(*by), frame)


def over(function: Node, spec: Node) -> Node:
    return expression("WindowExpression", function, spec)


def sample(below: Node, share: float = 0.1, seed: int = 7, start: int = -1, stop: int = -1) -> Node:
    children = (value("Double", "0.0"), value("Double", str(share)), flag(False))
    seeded = (*children, value("Long", str(seed)), below)
    return Node(f"{CATALYST}plans.logical.Sample", seeded, None, start, stop)


def values(*rows: tuple[Node, ...]) -> Node:
    names = items(*(text(f"col{n}") for n in range(1, len(rows[0]) + 1)))
    return unresolved("InlineTable", names, items(*(items(*row) for row in rows)))
