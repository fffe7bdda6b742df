"""What a query must not contain if it has to give the same answer each time on the same snapshot.

Refused: whatever draws random numbers, reads a clock, or depends on which row Spark happens to meet
first. Rows that tie in an ``ORDER BY`` come in any order, so where their order matters (``LIMIT``,
``row_number``, frames of rows …) the order must name every column that tells rows apart (`row_keys`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from labelmill.errors import QueryRefused
from labelmill.sql.guard import nondeterministic
from labelmill.sql.guard.key_column import Keys, function_name
from labelmill.sql.guard.row_keys import missing_in_order
from labelmill.sql.plan.node import Node
from labelmill.sql.sampling import Sample

_SAMPLE = re.compile(r"tablesample\b", re.IGNORECASE)
# A time without a date means today's.
_SPECIAL = re.compile(r"\b(now|today|tomorrow|yesterday)\b|'\s*T?\d{1,2}:", re.IGNORECASE)


def require_deterministic(name: str) -> None:
    """Refuses a function of `nondeterministic.ADVICE`.

    Args:
        name: Lower case.

    Raises:
        QueryRefused: The function is one of them; says what to use instead.
    """
    if name in nondeterministic.ADVICE:
        raise QueryRefused(
            f"{name} may return something else when the query runs again, so a training set cannot "
            f"be made from it; {nondeterministic.ADVICE[name].format(name)}"
        )


def refuse_special_time(literal: Node, sql: str) -> None:
    """Refuses ``timestamp 'now'``, for which the parser writes the present into the plan.

    Args:
        literal: A ``Literal``.
        sql: The query, which has the literal's own text.

    Raises:
        QueryRefused: The literal depends on the time of day at which the query is parsed.
    """
    times = ("DateType", "TimestampType", "TimestampNTZType")
    if literal.start >= 0 and literal.children[1].name in times:
        text = sql[literal.start : literal.stop + 1]
        if _SPECIAL.search(text):
            raise QueryRefused(
                f"{text} is another time when the query runs again, so a training set cannot be "
                f"made from it; {nondeterministic.CLOCK}"
            )


def require_ordered_limit(limit: Node, sql: str, keys: Keys) -> None:
    """Refuses ``LIMIT`` and ``OFFSET`` whose rows no ``ORDER BY`` determines.

    Args:
        limit: ``LocalLimit`` or ``Offset``.
        sql: The query.
        keys: What tells the rows below it apart (`row_keys`).

    Raises:
        QueryRefused: There is no order, or rows may tie in it.
    """
    if limit.start >= 0 and _SAMPLE.match(sql, limit.start):
        raise QueryRefused(
            "TABLESAMPLE (n ROWS) takes arbitrary rows, so a training set cannot be made from it; "
            "use TABLESAMPLE (n PERCENT), or `order by xxhash64(image_id), image_id, collection limit n`"
        )
    below = limit.children[-1]
    if limit.name == "LocalLimit" and below.name == "Offset":
        below = below.children[-1]
    # Sort(order, whether it sorts the whole answer rather than each partition, child)
    if below.name != "Sort" or below.children[1].text != "true":
        word = "OFFSET" if limit.name == "Offset" else "LIMIT"
        raise QueryRefused(
            f"{word} without ORDER BY takes arbitrary rows, so a training set cannot be made from "
            "it; add for example `order by collection, image_id`"
        )
    missing = missing_in_order(keys, below.children[:1])
    if missing:
        raise QueryRefused(_tie_message("ORDER BY … LIMIT", below, sql, missing))


def require_ordered_window(function: Node, spec: Node | None, sql: str, keys: Keys) -> None:
    """Refuses a window function whose result depends on how rows tie.

    Args:
        function: What is before ``OVER``.
        spec: ``WindowSpecDefinition``; None when the query does not define it.
        sql: The query.
        keys: What tells the rows apart that the window is over.

    Raises:
        QueryRefused: The function depends on the order of its rows, and rows may tie in it.
    """
    name = next((n for n in map(_function_name, function.walk()) if n), "")
    # WindowSpecDefinition(partition, order, frame); SpecifiedWindowFrame(kind, lower, upper)
    by_rows = spec is not None and _counts_rows(spec.children[2])
    depends = name in nondeterministic.ORDER_DEPENDENT or by_rows
    if not depends:
        return
    # Within a partition its columns are fixed.
    missing = missing_in_order(keys, spec.children[:2] if spec else ())
    if missing:
        raise QueryRefused(_tie_message(f"{name}() over (…)", spec or function, sql, missing))


def sample_of(node: Node, ctes: Mapping[str, Keys]) -> Sample:
    """The sample that a ``TABLESAMPLE`` draws from a view.

    Args:
        node: ``Sample``.
        ctes: Names of WITH in scope.

    Raises:
        QueryRefused: It samples anything but a view.
    """
    # Sample(lower bound, upper bound, with replacement, seed, child)
    _, share, _, seed, below = node.children
    named = below.name != "UnresolvedRelation"
    while below.name in ("SubqueryAlias", "UnresolvedSubqueryColumnAliases"):
        below = below.children[-1]
    view = ".".join(below.children[0].texts()).lower()
    if below.name != "UnresolvedRelation" or view in ctes:
        raise QueryRefused(
            "TABLESAMPLE over a subquery, a join or a name of WITH draws other rows when the query "
            "runs again, so a training set cannot be made from it; sample a view (`images "
            "tablesample (10 percent) repeatable (7)`), or use a hash of the id, for example "
            "`where pmod(xxhash64(image_id), 10) = 0`"
        )
    return Sample(
        view,
        float(share.text or 0),
        int(seed.text or 0),
        (below.start, below.stop),
        (node.start, node.stop),
        named,
    )


def _function_name(node: Node) -> str:
    return function_name(node) or nondeterministic.CLASSES.get(node.name, "")


def _counts_rows(frame: Node) -> bool:
    if frame.name != "SpecifiedWindowFrame" or frame.children[0].name != "RowFrame":
        return False
    ends = {node.name for node in frame.children[1:]}
    return ends != {"UnboundedPreceding", "UnboundedFollowing"}


def _tie_message(construct: str, node: Node, sql: str, missing: list[str]) -> str:
    text = " ".join(sql[node.start : node.stop + 1].split()) if node.start >= 0 else ""
    shown = f" ({text[:80]})" if text else ""
    more = ", ".join(dict.fromkeys(missing))
    return (
        f"{construct}{shown}: rows that tie may come in any order, so a training set cannot be made "
        f"from it; add to the ORDER BY what tells them apart: {more} (or fix it with `= value`)"
    )
