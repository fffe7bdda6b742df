"""Keeps bytes from being taken for text.

Spark casts binary to string without a look at the bytes, and its text functions trust them to be
UTF-8: ``reverse`` writes beyond its buffer where they are not, which ends the JVM. So a query tells
bytes as text by functions that always give text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from labelmill.errors import InputError
from labelmill.sql.analysis_errors import MISFIT
from labelmill.sql.plan.reader import Part

_SHOWN = 120
_MAKERS = frozenset({"binary", "unhex", "unbase64", "to_binary", "try_to_binary", "encode"})
_READERS = frozenset({"from_json", "from_csv"})
_TELLERS = frozenset({"hex", "base64", "length", "octet_length", "bit_length"})
_BARE = frozenset({"current_date", "current_timestamp", "localtimestamp", "current_time"})
"""Names that Spark reads as functions of no argument, unless they are columns."""


def refuse_casts(casts: Iterable[tuple[Any, Any, str]]) -> None:
    """Refuses bytes that become text, at any depth of a type.

    Args:
        casts: Of the analysed plan (`labelmill.sql.plan.reader.casts_of_bytes`).

    Raises:
        InputError: Says of which expression.
    """
    for given, becomes, expression in casts:
        if takes_for_text(given, becomes):
            raise taken_for_text(expression)


def takes_for_text(given: Any, becomes: Any) -> bool:
    """Whether a cast makes text of bytes that nobody looked at.

    Args:
        given: Type of the value, as Spark's JSON.
        becomes: Type after the cast.
    """
    if _is_text(becomes):
        return any(kind == "binary" for kind in _leaves(given))
    pairs = zip(_inner(given), _inner(becomes), strict=False)
    return any(takes_for_text(one, other) for one, other in pairs)


def taken_constant(function: Part) -> str | None:
    """Whether a ``reverse`` may be of bytes and computed while Spark analyses: before casts are known.

    What is computed so early has no columns: its bytes are made within the call.

    Returns:
        What to call it in an error.
    """
    return "reverse(…)" if _makes_bytes(function.parts[1]) else None


def taken_in_values(table: Part) -> str | None:
    """Whether ``VALUES`` compute with bytes: Spark replaces them by what comes out, casts and all.

    Bytes themselves may stand there.

    Returns:
        What to call it in an error.
    """
    for row in table.parts[1].parts:
        for value in row.parts:
            while value.name == "Alias":
                value = value.parts[0]
            if _makes_bytes(_within(value)):
                return "VALUES (…)"
    return None


def taken_for_text(expression: str) -> InputError:
    """The error for an expression that makes text of bytes."""
    if len(expression) > _SHOWN:
        expression = expression[: _SHOWN - 1] + "…"
    return InputError(
        f"{MISFIT}: {expression} takes bytes for text; expected "
        "hex(…), base64(…) or decode(…, 'UTF-8'), which give text whatever the bytes are"
    )


def _within(value: Part) -> Part:
    """What a value is made of, where it is bytes itself; else the value."""
    if value.name == "Literal":
        return Part("null")
    return Part("null", value.parts) if _is_maker(value) else value


def _makes_bytes(part: Part) -> bool:
    waiting = [part]
    while waiting:
        one = waiting.pop()
        if _is_maker(one):
            return True
        # Bytes of a subquery are no constants; its own calls are looked at by themselves.
        if ".plans.logical." not in one.kind and not _tells(one):
            waiting.extend(one.parts)
    return False


def _is_maker(part: Part) -> bool:
    if part.name == "Literal":
        return any(one.name == "BinaryType" for one in part.parts)
    if part.name == "Cast":
        return "binary" in [one.name.lower().removesuffix("type") for one in part.parts[1:2]]
    name = _called(part)
    return name in _MAKERS or (name in _READERS and _is_constant(part))


def _tells(part: Part) -> bool:
    # decode with more arguments is another function, which hands on one of them.
    name = _called(part)
    return name in _TELLERS or (name == "decode" and len(part.parts[1].parts) == 2)


def _called(part: Part) -> str:
    return part.parts[0].texts()[-1].lower() if part.name == "UnresolvedFunction" else ""


def _is_constant(part: Part) -> bool:
    names = [one.parts[0].texts() for one in part.everything() if one.name == "UnresolvedAttribute"]
    return all(len(name) == 1 and name[0].lower() in _BARE for name in names)


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
