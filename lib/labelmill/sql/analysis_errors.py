"""What Spark says of a query that does not fit the catalogue, as an error of ours."""

from __future__ import annotations

import re

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from labelmill.errors import InputError, UnknownName

MISFIT = "the query does not fit the catalogue"
"""How errors begin that tell of columns, types and functions that do not fit."""

_COLUMN = {
    "UNRESOLVED_COLUMN": ("objectName", "proposal"),
    "UNRESOLVED_USING_COLUMN_FOR_JOIN": ("colName", "suggestion"),
    "FIELD_NOT_FOUND": ("fieldName", "fields"),
}
"""Spark's error class → which of its parameters hold the name and the names that were there."""

_WORD = re.compile(r"`((?:[^`]|``)*)`")


def misfit(error: PySparkException | Py4JJavaError) -> InputError:
    """The error for a query that the guard let through and Spark cannot resolve.

    Returns:
        `UnknownName` for a column, with the near one; else an `InputError` with what Spark says.
    """
    if "StackOverflowError" in str(error):
        return InputError("the query is nested too deeply for Spark; cut it into parts by WITH")
    if isinstance(error, PySparkException):
        kind = (error.getErrorClass() or "").split(".")[0]
        said = error.getMessageParameters() or {}
        if kind in _COLUMN and _COLUMN[kind][0] in said:
            name, known = (said.get(key) or "" for key in _COLUMN[kind])
            return unknown_column(name, known)
    return InputError(f"{MISFIT}: {first_sentence(error)}")


def unknown_column(name: str, known: str) -> UnknownName:
    """The error for a column that is not there.

    Args:
        name: As Spark writes it, for example ``"`i`.`imageid`"``.
        known: The nearest columns in scope, as Spark writes them, separated by commas.
    """
    parts = _WORD.findall(name) or [name]
    candidates = [_WORD.findall(one) or [one] for one in known.split(", ") if one.strip()]
    # With `i.` written, columns of `i` are meant; without, the name alone is compared.
    near = [".".join(one if len(parts) > 1 else one[-1:]) for one in candidates]
    return UnknownName("column", ".".join(parts), dict.fromkeys(near))


def first_sentence(error: Exception) -> str:
    """What Spark says, without its error class, plan and trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else repr(error)
    text = re.sub(r"^\[[A-Z_.0-9]+\]\s*", "", text)
    return text.removesuffix(";")
