"""Which columns tell the rows of a join apart."""

from __future__ import annotations

from labelmill.sql.guard.key_column import KeyColumn, Keys, equalities, fixed_columns
from labelmill.sql.plan.node import Node


def joined_keys(left: Keys, right: Keys, kind: Node, condition: Node) -> Keys:
    """The columns that tell the rows of a join apart.

    A row of one side that is found by columns of the other side's row needs no key of its own.

    Args:
        left: Of the left side.
        right: Of the right side.
        kind: The type of join.
        condition: ``Option`` of an expression.
    """
    if kind.name in ("LeftSemi", "LeftAnti"):
        return left
    using: list[str] = []
    if kind.name == "UsingJoin":
        using = [name.lower() for name in kind.children[1].texts()]
        kind = kind.children[0]
    on = condition.children[0] if condition.children else condition
    pairs = [*equalities(on)]
    inner = kind.name in ("Inner", "Cross")
    if inner:
        fixed = fixed_columns(on)
        left, right = (tuple(k for k in side if not k.fixed_by(fixed)) for side in (left, right))
    left_keys, right_keys = list(left), list(right)
    for name in using:
        pairs_of = (
            [k for k in left_keys if name in k.names],
            [k for k in right_keys if name in k.names],
        )
        _merge(left_keys, right_keys, *pairs_of, {name})
    for one, other in pairs:
        for here, there in ((one, other), (other, one)):
            mine = [k for k in left_keys if here in k.names]
            theirs = [k for k in right_keys if there in k.names]
            if mine and theirs and inner:
                _merge(left_keys, right_keys, mine, theirs, set())
            elif mine and theirs and kind.name == "LeftOuter":
                right_keys.remove(theirs[0])
            elif mine and theirs and kind.name == "RightOuter":
                left_keys.remove(mine[0])
    if kind.name in ("Inner", "Cross", "LeftOuter"):
        found = [k for k in right_keys if not _is_found(k, pairs, right, using)]
        if len(found) < len(right_keys):
            return (*left_keys, *found)
    if kind.name in ("Inner", "Cross", "RightOuter"):
        left_keys = [k for k in left_keys if not _is_found(k, pairs, left, using)]
    return (*left_keys, *right_keys)


def _merge(
    left: list[KeyColumn],
    right: list[KeyColumn],
    mine: list[KeyColumn],
    theirs: list[KeyColumn],
    names: set[str],
) -> None:
    if mine and theirs:
        left[left.index(mine[0])] = KeyColumn.merged((mine[0], theirs[0])).also(names)
        right.remove(theirs[0])


def _is_found(key: KeyColumn, pairs: list[tuple[str, str]], own: Keys, using: list[str]) -> bool:
    """Whether the condition compares a key column with a column of the other side."""
    aliases = {name.split(".")[0] for k in own for name in k.names if "." in name}
    for one, other in pairs:
        for mine, theirs in ((one, other), (other, one)):
            outside = "." in theirs and theirs.split(".")[0] not in aliases
            if mine in key.names and "." in mine and outside:
                return True
    return bool(key.names & set(using))
