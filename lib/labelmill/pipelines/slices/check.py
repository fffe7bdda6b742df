"""Checks a named slice against the catalogue without running it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from labelmill.errors import InputError, UnknownName
from labelmill.feed.files.columns import Target
from labelmill.pipelines.freeze.query_schema import QuerySchema, read_schema
from labelmill.settings import Settings
from labelmill.sql import catalogue
from labelmill.sql.analysis_errors import DOES_NOT_FIT
from labelmill.sql.named_slices import NamedSlice

_TARGETS: dict[Target, str] = {
    "class": "with a class",
    "classes": "with several classes",
    "mask": "with masks",
    "none": "alone (--no-target)",
}


@dataclass(frozen=True)
class SliceCheck:
    """A slice that can be frozen.

    Attributes:
        columns: Name → Spark type of its query's columns.
        freezes_to: What a training set of it would hold, in words.
    """

    columns: Mapping[str, str]
    freezes_to: str


def check_slice(
    spark: SparkSession, settings: Settings, named: NamedSlice, given: Mapping[str, str]
) -> SliceCheck:
    """Checks one slice.

    Args:
        spark: The running session.
        settings: Where Kudu is.
        named: The slice.
        given: Values of parameters; the others have their default, else null. Parameters of
            other slices are ignored.

    Raises:
        QueryRefused: The query does more than read, or would not answer the same again.
        UnknownName: An unknown view or column.
        InputError: Not SQL; parameters that header and query do not share; not a training set.
    """
    texts = {p.name: given.get(p.name, p.default or "null") for p in named.parameters}
    try:
        answer = catalogue.query(spark, settings, named.sql, repeatable=True, parameters=texts)
    except InputError as error:
        raise _explain_null(error, named, given) from None
    columns = {column.name: column.dataType.simpleString() for column in answer.schema}
    return SliceCheck(columns, _describe(_read_schema(answer, settings)))


def _read_schema(answer: DataFrame, settings: Settings) -> QuerySchema:
    try:
        return read_schema(answer, settings)
    except UnknownName as error:
        if error.name != "class":
            raise
    return read_schema(answer, settings, no_target=True)


def _explain_null(error: InputError, named: NamedSlice, given: Mapping[str, str]) -> InputError:
    """The error, with the parameters to give where a null may be the cause (`limit :n`)."""
    asked = [p.name for p in named.parameters if p.default is None and p.name not in given]
    if not asked or not str(error).startswith(DOES_NOT_FIT):
        return error
    return InputError(
        f"{error} (with null for {', '.join(asked)}); give "
        + " ".join(f"--param {name}=…" for name in asked)
        + " to check this"
    )


def _describe(schema: QuerySchema) -> str:
    text = f"{schema.kind} {_TARGETS[schema.target]}"
    return text if schema.group_by is None else f"{text}, grouped by {schema.group_by}"
