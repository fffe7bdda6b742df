"""Keeps binary data from being used as text.

Spark casts binary to string without checking the bytes, and its text functions trust them to be
UTF-8: ``reverse`` writes beyond its buffer where they are not, which ends the JVM. So a query must
turn binary data into text with functions that always return valid text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from labelmill.errors import InputError
from labelmill.sql.analysis_errors import DOES_NOT_FIT
from labelmill.sql.guard.key_column import function_name
from labelmill.sql.plan.node import Node

_SHOWN = 120
_RETURN_BYTES = frozenset({"binary", "unhex", "unbase64", "to_binary", "try_to_binary", "encode"})
_PARSERS = frozenset({"from_json", "from_csv"})
_SAFE = frozenset({"hex", "base64", "length", "octet_length", "bit_length"})
_WITHOUT_PARENTHESES = frozenset(
    {"current_date", "current_timestamp", "localtimestamp", "current_time"}
)
"""Names that Spark resolves to functions without arguments, unless they are columns."""


def refuse_casts(casts: Iterable[tuple[Any, Any, str]]) -> None:
    """Refuses casts of binary data to text, at any depth of a type.

    Args:
        casts: Of the analysed plan (`labelmill.sql.plan.reader.read_casts`).

    Raises:
        InputError: There is one; names its expression.
    """
    for source, target, expression in casts:
        if makes_text(source, target):
            raise used_as_text(expression)


def makes_text(source: Any, target: Any) -> bool:
    """Whether a cast makes text of unchecked bytes.

    Args:
        source: Type of the value, as Spark's JSON.
        target: Type after the cast.

    Example:
        >>> makes_text("binary", "string"), makes_text("string", "binary")
        (True, False)
    """
    if _is_text(target):
        return any(kind == "binary" for kind in _leaves(source))
    pairs = zip(_inner(source), _inner(target), strict=False)
    return any(makes_text(one, other) for one, other in pairs)


def bytes_in_reverse(call: Node) -> str | None:
    """What to call a ``reverse`` whose argument may be binary data that Spark computes while analysing.

    That happens before casts are known. Such an argument has no columns: its bytes are made within
    the call.

    Args:
        call: ``UnresolvedFunction``.

    Returns:
        A name for an error message; None when there are no such bytes.
    """
    return "reverse(…)" if _makes_bytes(call.children[1]) else None


def bytes_in_values(table: Node) -> str | None:
    """What to call ``VALUES`` that compute with binary data: Spark replaces them by their results.

    Plain binary values are fine.

    Args:
        table: ``UnresolvedInlineTable``.

    Returns:
        A name for an error message; None when nothing is computed from bytes.
    """
    for row in table.children[1].children:
        for value in row.children:
            while value.name == "Alias":
                value = value.children[0]
            if _makes_bytes(_arguments(value)):
                return "VALUES (…)"
    return None


def used_as_text(expression: str) -> InputError:
    """The error for an expression that makes text of binary data."""
    if len(expression) > _SHOWN:
        expression = expression[: _SHOWN - 1] + "…"
    return InputError(
        f"{DOES_NOT_FIT}: {expression} uses binary data as text; expected "
        "hex(…), base64(…) or decode(…, 'UTF-8'), which return text for any bytes"
    )


def _arguments(value: Node) -> Node:
    """What a value is computed from, if it is binary data itself; else the value."""
    if value.name == "Literal":
        return Node("null")
    return Node("null", value.children) if _returns_bytes(value) else value


def _makes_bytes(node: Node) -> bool:
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if _returns_bytes(one):
            return True
        # Bytes from a subquery are not constant; calls within it are checked by themselves.
        if ".plans.logical." not in one.kind and not _is_safe(one):
            waiting.extend(one.children)
    return False


def _returns_bytes(node: Node) -> bool:
    if node.name == "Literal":
        return any(one.name == "BinaryType" for one in node.children)
    if node.name == "Cast":
        return "binary" in [one.name.lower().removesuffix("type") for one in node.children[1:2]]
    name = function_name(node)
    return name in _RETURN_BYTES or (name in _PARSERS and _is_constant(node))


def _is_safe(node: Node) -> bool:
    # decode with more arguments is another function, which returns one of them.
    name = function_name(node)
    return name in _SAFE or (name == "decode" and len(node.children[1].children) == 2)


def _is_constant(node: Node) -> bool:
    names = [one.children[0].texts() for one in node.walk() if one.name == "UnresolvedAttribute"]
    return all(len(name) == 1 and name[0].lower() in _WITHOUT_PARENTHESES for name in names)


def _is_text(kind: Any) -> bool:
    return isinstance(kind, str) and kind.startswith(("string", "char", "varchar"))


def _inner(kind: Any) -> list[Any]:
    if not isinstance(kind, dict):
        return []
    if kind["type"] == "struct":
        return [field["type"] for field in kind["fields"]]
    return [kind[name] for name in ("elementType", "keyType", "valueType") if name in kind]


def _leaves(kind: Any) -> Iterable[Any]:
    waiting = [kind]
    while waiting:
        one = waiting.pop()
        inner = _inner(one)
        waiting += inner
        if not inner:
            yield one
