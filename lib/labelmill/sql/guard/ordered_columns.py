"""Which columns an expression tells apart: all that an order by it leaves no ties in.

``order by image_id`` does, and so does a hash of it; ``order by length(image_id)`` does not, although it
names the column.
"""

from __future__ import annotations

from collections.abc import Iterator

from labelmill.sql.guard.allowlist import split_words
from labelmill.sql.guard.key_column import column_name, function_name
from labelmill.sql.plan.node import Node

_ONE_TO_ONE = split_words("xxhash64 md5 sha sha1 sha2 named_struct array hex")
"""Functions whose result differs where any argument does. Hashes of 32 bits collide too often."""


def ordered_columns(expression: Node) -> Iterator[str]:
    """The columns that differ only where the expression does, lower case.

    Args:
        expression: Of an ``ORDER BY`` or a ``PARTITION BY``.
    """
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        if name := column_name(node):
            yield name
        elif node.name in ("SortOrder", "UnaryMinus") or _is_cast_to_text(node):
            waiting.append(node.children[0])
        elif node.name == "CreateNamedStruct" or function_name(node) in _ONE_TO_ONE:
            waiting.extend(_arguments(node))
        elif node.name == "Concat" or function_name(node) == "concat":
            # 'a' || 'bc' is 'ab' || 'c', but beside constants a column shows as it is.
            varying = [one for one in _arguments(node) if not _is_constant(one)]
            waiting.extend(varying if len(varying) == 1 else ())


def _arguments(node: Node) -> tuple[Node, ...]:
    return node.children[1 if node.name == "UnresolvedFunction" else 0].children


def _is_cast_to_text(node: Node) -> bool:
    return node.name == "Cast" and node.children[1].name == "StringType"


def _is_constant(node: Node) -> bool:
    return node.name in ("Literal", "NamedParameter")
