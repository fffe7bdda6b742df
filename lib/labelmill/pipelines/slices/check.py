"""Whether a named slice can be meant: read and fitted to the catalogue, but not run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from labelmill.errors import InputError, UnknownName
from labelmill.feed.files.columns import Target
from labelmill.pipelines.freeze.query_schema import Wanted, wanted
from labelmill.settings import Settings
from labelmill.sql import catalogue
from labelmill.sql.analysis_errors import MISFIT
from labelmill.sql.named_slices import NamedSlice

_TARGETS: dict[Target, str] = {
    "class": "with a class",
    "classes": "with several classes",
    "mask": "with masks",
    "none": "alone (--no-target)",
}


@dataclass(frozen=True)
class Checked:
    """A slice that can be frozen.

    Attributes:
        columns: Name → type that its query gives.
        freezes_to: What a training set of it holds, in words.
    """

    columns: Mapping[str, str]
    freezes_to: str


def check_slice(
    spark: SparkSession, settings: Settings, named: NamedSlice, given: Mapping[str, str]
) -> Checked:
    """Checks one slice.

    Args:
        spark: The running session.
        settings: Where Kudu is.
        named: The slice.
        given: Values of parameters; others count by their default, else as null. Those of other
            slices are let be.

    Raises:
        QueryRefused: The query does more than read, or would not answer the same again.
        UnknownName: A view or column that is not there.
        InputError: Not SQL; parameters that header and query do not share; no training set.
    """
    texts = {p.name: given.get(p.name, p.default or "null") for p in named.parameters}
    try:
        answer = catalogue.query(spark, settings, named.sql, repeatable=True, parameters=texts)
    except InputError as error:
        raise _of_null(error, named, given) from None
    columns = {column.name: column.dataType.simpleString() for column in answer.schema}
    return Checked(columns, _words(_meant(answer, settings)))


def _meant(answer: DataFrame, settings: Settings) -> Wanted:
    try:
        return wanted(answer, settings)
    except UnknownName as error:
        if error.name != "class":
            raise
    return wanted(answer, settings, no_target=True)


def _of_null(error: InputError, named: NamedSlice, given: Mapping[str, str]) -> InputError:
    """The error, with what to give where null in place of a value may be why (`limit :n`)."""
    asked = [p.name for p in named.parameters if p.default is None and p.name not in given]
    if not asked or not str(error).startswith(MISFIT):
        return error
    return InputError(
        f"{error} (with null for {', '.join(asked)}); give "
        + " ".join(f"--param {name}=…" for name in asked)
        + " to check this"
    )


def _words(what: Wanted) -> str:
    said = f"{what.kind} {_TARGETS[what.target]}"
    return said if what.group_by is None else f"{said}, grouped by {what.group_by}"
