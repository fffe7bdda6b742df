"""Columns of a slice in the types that frozen and predicted images have."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from labelmill.errors import InputError, UnknownName

TYPES = {"height": "int", "width": "int", "channels": "int", "pixels": "binary"}
"""Spark types of an image's columns that are no text."""


def typed(df: DataFrame, needed: Sequence[str]) -> DataFrame:
    """The slice with the columns of an image in their types.

    Raises:
        UnknownName: A needed column is missing.
        InputError: The query gives a column twice.
    """
    for name in needed:
        if name not in df.columns:
            raise UnknownName(
                f"column: the slice needs {name!r} (all: {', '.join(needed)}); the query gives",
                name,
                df.columns,
            )
    refuse_twice(df.columns)
    known = {"collection", "image_id", "class", "split", "dtype", *TYPES}
    for name in (column for column in df.columns if column in known):
        df = df.withColumn(name, F.col(f"`{name}`").cast(TYPES.get(name, "string")))
    return df


def refuse_twice(columns: Sequence[str]) -> None:
    """Raises InputError when a name is there more than once: nobody knows which is meant."""
    for name in columns:
        if columns.count(name) > 1:
            raise InputError(f"the query gives the column {name!r} twice; name it once")
