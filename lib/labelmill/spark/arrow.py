"""Derives Spark schemas from Arrow schemas, so that each is declared once."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_type
from pyspark.sql.types import StructField, StructType


def struct_type(schema: pa.Schema) -> StructType:
    """Returns the Spark schema of these columns; all are nullable.

    Args:
        schema: Arrow types that Spark knows (signed integers, floats, strings, binary, UTC
            timestamps in µs, lists, maps, structs).

    Raises:
        PySparkTypeError: Spark has no such type.

    Example:
        >>> struct_type(pa.schema([("id", pa.string()), ("rows", pa.int64())])).simpleString()
        'struct<id:string,rows:bigint>'
    """
    return StructType([StructField(f.name, from_arrow_type(f.type), True) for f in schema])
