"""A column that tells rows apart, the names that a query has for it, and what conditions say of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from labelmill.sql.plan.node import Node
from labelmill.sql.view_keys import TEXT_KEYS

Signature = tuple[tuple[str, int, str | None], ...]
"""An expression without its place in the query: equal texts have equal signatures."""

Fixed = dict[str, bool]
"""Column that equals a constant → whether the constant is text."""


@dataclass(frozen=True)
class KeyColumn:
    """One of the columns that tell rows apart.

    Attributes:
        shown: What messages call it.
        names: What an expression beside the plan may call it, lower case, with and without alias.
        output: Those of `names` that are columns of the result.
        expression: What it is, when rows are groups.
    """

    shown: str
    names: frozenset[str] = frozenset()
    output: frozenset[str] = frozenset()
    expression: Signature | None = None

    @classmethod
    def of(cls, name: str) -> KeyColumn:
        """A column of a view."""
        return cls(name, frozenset((name,)), frozenset((name,)))

    @classmethod
    def merged(cls, same: Iterable[KeyColumn]) -> KeyColumn:
        """Columns that are equal in every row, as one."""
        first, *others = same
        for other in others:
            first = replace(
                first, names=first.names | other.names, output=first.output | other.output
            )
        return first

    def under(self, alias: str) -> KeyColumn:
        """As a relation with an alias shows it: only columns of the result, with its name before them."""
        bare = {name.rsplit(".", 1)[-1] for name in self.output}
        names = frozenset(bare | {f"{alias.lower()}.{name}" for name in bare})
        return replace(self, names=names, output=names)

    def also(self, names: Iterable[str]) -> KeyColumn:
        """The same with more names."""
        return replace(self, names=self.names | frozenset(names))

    def fixed_by(self, fixed: Fixed) -> bool:
        """Whether a condition leaves it one value.

        A text column that is compared with a number is not fixed: '1' and '01' both equal 1.
        """
        texts = self.shown in TEXT_KEYS
        return any(name in self.names and (is_text or not texts) for name, is_text in fixed.items())


Keys = tuple[KeyColumn, ...]
"""All columns that tell the rows of a plan apart."""


def column_name(node: Node) -> str:
    """The name in an ``UnresolvedAttribute``, lower case; of anything else the empty text."""
    if node.name != "UnresolvedAttribute":
        return ""
    return ".".join(node.children[0].texts()).lower()


def function_name(node: Node) -> str:
    """The function that an ``UnresolvedFunction`` calls, lower case; of anything else the empty text."""
    return node.children[0].texts()[-1].lower() if node.name == "UnresolvedFunction" else ""


def signature(node: Node) -> Signature:
    """An expression as a value that can be compared, however deeply it is nested."""
    return tuple((n.name, len(n.children), n.text and n.text.lower()) for n in node.walk())


def conjuncts(condition: Node) -> Iterator[Node]:
    """The conditions that AND connects."""
    waiting = [condition]
    while waiting:
        node = waiting.pop()
        if node.name == "And":
            waiting.extend(node.children[:2])
        else:
            yield node


def fixed_columns(condition: Node) -> Fixed:
    """The columns that a condition sets equal to a literal or a parameter."""
    fixed: Fixed = {}
    for node in conjuncts(condition):
        if node.name in ("EqualTo", "EqualNullSafe"):
            for one, other in (node.children[:2], node.children[1::-1]):
                if one.name == "UnresolvedAttribute" and other.name in (
                    "Literal",
                    "NamedParameter",
                ):
                    kind = other.children[-1].name if other.name == "Literal" else "StringType"
                    fixed[column_name(one)] = kind == "StringType"
    return fixed


def equalities(condition: Node) -> Iterator[tuple[str, str]]:
    """Pairs of columns that a condition sets equal."""
    for node in conjuncts(condition):
        if node.name == "EqualTo":
            one, other = map(column_name, node.children[:2])
            if one and other:
                yield one, other
