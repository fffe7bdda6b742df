"""Columns of a slice in the types that freezing and predicting expect."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from labelmill.errors import InputError, UnknownName

TYPES = {"height": "int", "width": "int", "channels": "int", "pixels": "binary"}
"""Spark types of an image's columns that are not text."""


def cast_image_columns(df: DataFrame, needed: Sequence[str]) -> DataFrame:
    """Casts the columns of an image to their types.

    Args:
        df: The slice.
        needed: Columns that it must have.

    Raises:
        UnknownName: A needed column is missing.
        InputError: The query returns a column twice.
    """
    for name in needed:
        if name not in df.columns:
            raise UnknownName(
                f"column: the slice needs {name!r} (all: {', '.join(needed)}); the query returns",
                name,
                df.columns,
            )
    refuse_duplicate_columns(df.columns)
    known = {"collection", "image_id", "class", "split", "dtype", *TYPES}
    for name in (column for column in df.columns if column in known):
        df = df.withColumn(name, F.col(f"`{name}`").cast(TYPES.get(name, "string")))
    return df


def refuse_duplicate_columns(columns: Sequence[str]) -> None:
    """Refuses column names that occur more than once.

    Raises:
        InputError: There is one; names it.
    """
    for name in columns:
        if columns.count(name) > 1:
            raise InputError(f"the query returns the column {name!r} twice; select it once")
