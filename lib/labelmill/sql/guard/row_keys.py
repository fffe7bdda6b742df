"""Which columns tell the rows of a plan apart, so that an order over all of them has no ties.

A view's rows are told apart by its key, groups by what they are grouped by, a join's rows by the keys
of both sides. ``WHERE x = value`` fixes a column, ``ON a.x = b.x`` makes two columns one. Where keys
cannot be followed (a union, a subquery that leaves a key out), only all columns together do.

Pure: parsed plans in, columns out. Plans may be nested deeply, so generators take the place of
recursion.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping

from labelmill.sql.guard.allowlist import TABLE_FUNCTIONS
from labelmill.sql.guard.join_keys import joined_keys
from labelmill.sql.guard.key_column import (
    KeyColumn,
    Keys,
    Signature,
    column_name,
    equalities,
    fixed_columns,
    function_name,
    signature,
)
from labelmill.sql.guard.ordered_columns import ordered_columns
from labelmill.sql.plan.node import Node
from labelmill.sql.view_keys import KEYS

_Steps = Generator[tuple[Node, Mapping[str, Keys]], Keys, Keys]

_GENERATORS = TABLE_FUNCTIONS - {"range", "json_tuple"}
"""Functions that make several rows of one."""

_UNNAMED = frozenset(("col", "pos", "key", "value"))
"""What Spark calls the columns of such a function."""

_CONSTANTS = ("UnresolvedInlineTable", "UnresolvedTableValuedFunction", "OneRowRelation")
_UNRESOLVED_PLANS = (
    *_CONSTANTS,
    "UnresolvedRelation",
    "UnresolvedSubqueryColumnAliases",
    "UnresolvedTVFAliases",
    "UnresolvedHaving",
)


def keys_of(plan: Node, ctes: Mapping[str, Keys]) -> Keys:
    """The columns that tell the rows of a plan apart.

    Args:
        plan: A parsed plan.
        ctes: Names of WITH in scope, lower case → the columns that tell their rows apart.
    """
    waiting: list[_Steps] = [_steps(plan, ctes)]
    answer: Keys = ()
    started = True
    while waiting:
        try:
            asked = next(waiting[-1]) if started else waiting[-1].send(answer)
            waiting.append(_steps(*asked))
            started = True
        except StopIteration as end:
            waiting.pop()
            answer, started = end.value, False
    return answer


def missing_in_order(keys: Keys, orders: Iterable[Node]) -> list[str]:
    """The columns of `keys` that are in no order, bare or within an expression that tells them apart.

    Args:
        keys: Of the ordered rows.
        orders: Lists of ``SortOrder``, or of the expressions of ``PARTITION BY``.
    """
    named: set[str] = set()
    whole: set[Signature] = set()
    for order in orders:
        for item in order.children:
            named.update(ordered_columns(item))
            whole.add(signature(item.children[0] if item.name == "SortOrder" else item))
    if "all" in named:
        return []
    return [k.shown for k in keys if not (k.names & named or k.expression in whole)]


def _steps(plan: Node, ctes: Mapping[str, Keys]) -> _Steps:
    name, below = plan.name, _child_of(plan)
    if name in _CONSTANTS:
        return ()
    if name == "UnresolvedRelation":
        view = ".".join(plan.children[0].texts()).lower()
        keys = ctes[view] if view in ctes else tuple(map(KeyColumn.of, KEYS.get(view, ())))
        return tuple(key.under(view) for key in keys)
    if name == "UnresolvedWith":
        for relation in plan.children[1].children:
            cte, query = relation.children
            ctes = {**ctes, (cte.text or "").lower(): (yield query, ctes)}
        return (yield plan.children[0], ctes)
    if name == "Join":
        left = yield plan.children[0], ctes
        right = yield plan.children[1], ctes
        return joined_keys(left, right, plan.children[2], plan.children[3])
    if below is None:
        return ()
    keys = yield below, ctes
    if name == "LateralJoin":
        return (*keys, *(yield plan.children[1].children[0], ctes))
    if name == "SubqueryAlias":
        return tuple(key.under(plan.children[0].children[0].text or "") for key in keys)
    if name == "UnresolvedSubqueryColumnAliases":
        return _renumbered(keys, plan.children[0].texts(), below)
    if name in ("Filter", "UnresolvedHaving"):
        return _filtered(keys, plan.children[0])
    if name == "Project":
        columns = plan.children[0].children
        return (*(_projected(key, columns) for key in keys), *_generated(columns))
    if name == "Aggregate":
        by, columns = (child.children for child in plan.children[:2])
        return (*_groups(by, columns), *_generated(columns))
    if name == "Union":
        # Its other parts may have many rows for a key of the first one.
        return _all_columns(below, (KeyColumn("every column, as in `order by all`"),))
    if name in ("Distinct", "Intersect", "Except"):
        return _all_columns(below, keys)
    if name == "Generate":
        made = frozenset(map(column_name, plan.children[4].children)) or _UNNAMED
        return (*keys, KeyColumn("the generated column", made, made))
    if name == "Unpivot":
        made = frozenset(((plan.children[3].text or "").lower(),))
        return (*keys, KeyColumn("the column that names the others", made, made))
    return keys


def _child_of(plan: Node) -> Node | None:
    """The plan that a plan works on: the first one of those with several."""
    children = plan.children[0].children if plan.name == "Union" else plan.children
    return next((child for child in children if _is_plan(child)), None)


def _is_plan(node: Node) -> bool:
    return "plans.logical." in node.kind or node.name in _UNRESOLVED_PLANS


def _filtered(keys: Keys, condition: Node) -> Keys:
    fixed = fixed_columns(condition)
    left = [key for key in keys if not key.fixed_by(fixed)]
    for one, other in equalities(condition):
        same = [key for key in left if key.names & {one, other}]
        if len(same) > 1:
            left = [key for key in left if key not in same]
            left.append(KeyColumn.merged(same))
        elif same:
            left[left.index(same[0])] = same[0].also({one, other})
    return tuple(left)


def _projected(key: KeyColumn, columns: Iterable[Node]) -> KeyColumn:
    """A key column seen through a SELECT list; ORDER BY beside it may still use what it leaves out."""
    names, output = set(key.names), set()
    hidden: set[str] = set()
    for node in columns:
        alias = node.name == "Alias"
        inner = node.children[0] if alias else node
        if node.name == "UnresolvedStar":
            target = ".".join(n.text or "" for n in node.walk() if n.text).lower()
            output |= {n for n in key.output if not target or n.startswith(f"{target}.")}
            if target:
                output |= {n.rsplit(".", 1)[-1] for n in output}
        elif key.names & set(ordered_columns(inner)):
            name = (node.children[1].text or "").lower() if alias else column_name(inner)
            output |= {name, name.rsplit(".", 1)[-1]} - {""}
        elif alias and key.expression is not None and signature(inner) == key.expression:
            output.add((node.children[1].text or "").lower())
        elif alias:
            # ORDER BY means the column of the SELECT list, not the one of that name below it.
            hidden.add((node.children[1].text or "").lower())
    names = (names - hidden) | output
    return KeyColumn(key.shown, frozenset(names), frozenset(output), key.expression)


def _generated(columns: Iterable[Node]) -> Iterable[KeyColumn]:
    """The columns of a SELECT list that make several rows of one, such as ``explode(…) as part``."""
    for column in columns:
        if column.name in ("Alias", "MultiAlias", "UnresolvedAlias"):
            inner, alias = column.children[:2]
            if function_name(inner) in _GENERATORS:
                texts = [alias.text] if column.name == "Alias" else alias.texts()
                made = frozenset(text.lower() for text in texts if text) or _UNNAMED
                yield KeyColumn("the generated column", made, made)


def _groups(by: Iterable[Node], columns: tuple[Node, ...]) -> Iterable[KeyColumn]:
    """What groups are told apart by: the expressions of GROUP BY, under the names of the SELECT list."""
    for node in by:
        if node.name == "Literal" and (node.children[0].text or "").isdigit():
            number = int(node.children[0].text or 0)
            node = columns[number - 1] if 0 < number <= len(columns) else node
        if node.name in ("GroupingSets", "Cube", "Rollup", "GroupingAnalytics"):
            inner = {column_name(n): n for n in node.walk() if n.name == "UnresolvedAttribute"}
            yield from _groups(inner.values(), columns)
        elif node.name == "UnresolvedAttribute" and column_name(node) == "all":
            for column in columns:
                plain = column.children[0] if column.name == "Alias" else column
                if plain.name == "UnresolvedAttribute":
                    yield from _groups([plain], columns)
        else:
            yield _group(node, columns)


def _group(by: Node, columns: tuple[Node, ...]) -> KeyColumn:
    names, output = set(), set()
    plain = by.children[0] if by.name == "Alias" else by
    if by.name == "Alias":
        names.add((by.children[1].text or "").lower())
    if plain.name == "UnresolvedAttribute":
        full = column_name(plain)
        names |= {full, full.rsplit(".", 1)[-1]}
    for column in columns:
        alias = column.name == "Alias"
        inner = column.children[0] if alias else column
        name = (column.children[1].text or "").lower() if alias else column_name(inner)
        if name and (name in names or signature(inner) == signature(plain)):
            names.add(name)
            output |= {name, name.rsplit(".", 1)[-1]}
    shown = min(names, key=len, default="what it is grouped by")
    return KeyColumn(shown, frozenset(names), frozenset(output), signature(plain))


def _all_columns(below: Node, keys: Keys) -> Keys:
    """Every column of a SELECT list; `keys` in place of ``SELECT *``."""
    while below.name not in ("Project", "Aggregate"):
        child = _child_of(below)
        if child is None:
            return keys
        below = child
    columns = below.children[0 if below.name == "Project" else 1].children
    if any("Star" in column.name for column in columns):
        return keys
    return tuple(_group(column, columns) for column in columns)


def _renumbered(keys: Keys, names: list[str], below: Node) -> Keys:
    while below.name == "SubqueryAlias":
        below = below.children[-1]
    if below.name != "Project":
        return tuple(key.also(name.lower() for name in names) for key in keys)
    columns = below.children[0].children
    found = []
    for key in keys:
        new = {
            name.lower()
            for name, column in zip(names, columns, strict=False)
            if _projected(key, [column]).output
        }
        found.append(KeyColumn(key.shown, frozenset(new), frozenset(new), key.expression))
    return tuple(found)
