"""Spark's analysis errors as errors of labelmill: columns, types and functions that do not fit."""

from __future__ import annotations

import re

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from labelmill.errors import InputError, UnknownName

DOES_NOT_FIT = "the query does not fit the catalogue"
"""How messages about columns, types and functions that do not fit begin."""

_COLUMN = {
    "UNRESOLVED_COLUMN": ("objectName", "proposal"),
    "UNRESOLVED_USING_COLUMN_FOR_JOIN": ("colName", "suggestion"),
    "FIELD_NOT_FOUND": ("fieldName", "fields"),
}
"""Spark's error class → which of its parameters hold the name and the known names."""

_IDENTIFIER = re.compile(r"`((?:[^`]|``)*)`")


def analysis_error(error: PySparkException | Py4JJavaError) -> InputError:
    """The error for a query that passed the guard but that Spark cannot resolve.

    Returns:
        `UnknownName` for a column, with the closest match; else an `InputError` with Spark's message.
    """
    if "StackOverflowError" in str(error):
        return InputError("the query is nested too deeply for Spark; split it into parts with WITH")
    if isinstance(error, PySparkException):
        kind = (error.getErrorClass() or "").split(".")[0]
        details = error.getMessageParameters() or {}
        if kind in _COLUMN and _COLUMN[kind][0] in details:
            name, known = (details.get(key) or "" for key in _COLUMN[kind])
            return unknown_column(name, known)
    return InputError(f"{DOES_NOT_FIT}: {first_sentence(error)}")


def unknown_column(name: str, known: str) -> UnknownName:
    """The error for a column that does not exist.

    Args:
        name: As Spark writes it, for example ``"`i`.`imageid`"``.
        known: The nearest columns in scope, as Spark writes them, separated by commas.

    Example:
        >>> str(unknown_column("`imageid`", "`images`.`image_id`"))
        "unknown column 'imageid'; expected one of: image_id. Did you mean 'image_id'?"
    """
    parts = _IDENTIFIER.findall(name) or [name]
    candidates = [_IDENTIFIER.findall(one) or [one] for one in known.split(", ") if one.strip()]
    # `i.imageid` is compared with columns of `i`; a bare name with bare names.
    near = [".".join(one if len(parts) > 1 else one[-1:]) for one in candidates]
    return UnknownName("column", ".".join(parts), dict.fromkeys(near))


def first_sentence(error: Exception) -> str:
    """The first line of Spark's message, without its error class, plan and stack trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else repr(error)
    text = re.sub(r"^\[[A-Z_.0-9]+\]\s*", "", text)
    return text.removesuffix(";")
