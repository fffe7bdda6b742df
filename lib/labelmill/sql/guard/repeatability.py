"""What a query may not hold if it must answer the same each time on the same snapshot.

Refused: what rolls dice, reads a clock, or depends on which row Spark happens to meet first. Rows
that tie in an ``ORDER BY`` stand in any order, so where their order matters (``LIMIT``,
``row_number``, frames of rows …) it must name a column of the view's key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from labelmill.errors import QueryRefused
from labelmill.sql.guard import nondeterministic as unsure
from labelmill.sql.guard.allowlist import listed
from labelmill.sql.plan.reader import Part
from labelmill.sql.view_keys import KEY_COLUMNS

_SAMPLE = re.compile(r"tablesample\b", re.IGNORECASE)
# A time without a day is one of today.
_SPECIAL = re.compile(r"\b(now|today|tomorrow|yesterday)\b|'\s*T?\d{1,2}:", re.IGNORECASE)
_UNARY = listed(
    """
    Project Filter UnresolvedHaving SubqueryAlias UnresolvedSubqueryColumnAliases Sort
    WithWindowDefinition Offset LocalLimit GlobalLimit
    """
)
_NO_VIEW = listed("UnresolvedInlineTable UnresolvedTableValuedFunction OneRowRelation")


def refuse_function(name: str) -> None:
    """Refuses a function of `guard_unsure.ADVICE`."""
    if name in unsure.ADVICE:
        raise QueryRefused(
            f"{name} may answer otherwise when the query runs again, so a training set cannot be "
            f"made of it; {unsure.ADVICE[name].format(name)}"
        )


def refuse_special_time(part: Part, sql: str) -> None:
    """Refuses ``timestamp 'now'``: the parser writes the present into the plan.

    Args:
        part: A literal.
        sql: The query, in which the literal's own text is looked at.
    """
    if part.start >= 0 and part.parts[1].name in ("DateType", "TimestampType", "TimestampNTZType"):
        text = sql[part.start : part.stop + 1]
        if _SPECIAL.search(text):
            raise QueryRefused(
                f"{text} is another time when the query runs again, so a training set cannot be "
                f"made of it; {unsure.CLOCK}"
            )


def refuse_any_rows(part: Part, sql: str, sure: frozenset[str], loose: bool) -> None:
    """Refuses ``LIMIT`` and ``OFFSET`` whose rows are not settled by an ``ORDER BY``.

    Args:
        part: ``LocalLimit`` or ``Offset``.
        sql: The query.
        sure: Columns that settle an order (`sure_columns`).
        loose: What is below holds no rows of a view (`loose`).
    """
    if part.start >= 0 and _SAMPLE.match(sql, part.start):
        raise QueryRefused(
            "TABLESAMPLE (n ROWS) takes any rows, so a training set cannot be made of it; use "
            "TABLESAMPLE (n PERCENT), or `order by xxhash64(image_id) limit n`"
        )
    below = part.parts[-1]
    if part.name == "LocalLimit" and below.name == "Offset":
        below = below.parts[-1]
    # Sort(order, whether it is the whole answer's and no partition's, child)
    if below.name != "Sort" or below.parts[1].text != "true":
        word = "OFFSET" if part.name == "Offset" else "LIMIT"
        raise QueryRefused(
            f"{word} without ORDER BY takes any rows, so a training set cannot be made of it; add "
            "for example `order by image_id`"
        )
    if not (loose or orders(below.parts[0], sure | {"all"})):
        raise QueryRefused(_ties("ORDER BY … LIMIT", below, sql))


def refuse_ties(function: Part, spec: Part | None, sql: str, sure: frozenset[str]) -> None:
    """Refuses a window function whose answer depends on how rows tie.

    Args:
        function: What is before ``OVER``.
        spec: ``WindowSpecDefinition``; None when the query does not define it.
        sql: The query.
        sure: Columns that settle an order.
    """
    name = next((n for n in map(_function, function.everything()) if n), "")
    # WindowSpecDefinition(partition, order, frame); SpecifiedWindowFrame(kind, lower, upper)
    by_rows = spec is not None and _counts_rows(spec.parts[2])
    if (name in unsure.BY_ORDER or by_rows) and not (spec and orders(spec.parts[1], sure)):
        raise QueryRefused(_ties(f"{name}() over (…)", spec or function, sql))


def orders(by: Part, sure: frozenset[str]) -> bool:
    """Whether an order names a column of `sure`, bare or within an expression such as a hash.

    Args:
        by: List of ``SortOrder``.
        sure: Lower-case names.
    """
    return any(
        part.name == "UnresolvedAttribute" and part.parts[0].texts()[-1].lower() in sure
        for part in by.everything()
    )


def sure_columns(plan: Part) -> frozenset[str]:
    """Columns that settle an order: those of keys, and what the query calls them."""
    aliases = {
        part.parts[1].text.lower()
        for part in plan.everything()
        if part.name == "Alias"
        and part.parts[1].text is not None
        and part.parts[0].name == "UnresolvedAttribute"
        and part.parts[0].parts[0].texts()[-1].lower() in KEY_COLUMNS
    }
    return KEY_COLUMNS | aliases


def loose(plan: Part, ctes: Mapping[str, bool]) -> bool:
    """Whether a plan's rows are groups or made up, so that no column of a key is left to order by.

    How such rows tie is for the query's author to know.

    Args:
        plan: A plan.
        ctes: Names of WITH in scope → whether theirs are.
    """
    while plan.name in _UNARY:
        plan = plan.parts[-1]
    if plan.name == "UnresolvedRelation":
        return ctes.get(".".join(plan.parts[0].texts()).lower(), False)
    return plan.name in ("Aggregate", "Distinct") or plan.name in _NO_VIEW


def _function(part: Part) -> str:
    if part.name == "UnresolvedFunction":
        return part.parts[0].texts()[-1].lower()
    return unsure.CLASSES.get(part.name, "")


def _counts_rows(frame: Part) -> bool:
    if frame.name != "SpecifiedWindowFrame" or frame.parts[0].name != "RowFrame":
        return False
    ends = {part.name for part in frame.parts[1:]}
    return ends != {"UnboundedPreceding", "UnboundedFollowing"}


def _ties(what: str, part: Part, sql: str) -> str:
    text = " ".join(sql[part.start : part.stop + 1].split()) if part.start >= 0 else ""
    shown = f" ({text[:80]})" if text else ""
    return (
        f"{what}{shown}: rows that tie may stand in any order, so a training set cannot be made of "
        "it; end the ORDER BY with a column of the view's key, for example `order by mean, image_id`"
    )
