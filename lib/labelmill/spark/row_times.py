"""Times of collected rows with their zone: pyspark returns them naive, in the zone of this process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from pyspark.sql import Row
from pyspark.sql import types as T

Reader = Callable[[Any], Any]


def utc_reader(schema: T.StructType) -> Callable[[Row], Row]:
    """A function that gives the times of a collected row their zone, at any depth.

    Args:
        schema: Of the rows, which ``collect`` or ``toLocalIterator`` returned.

    Returns:
        Row → the same with aware times (UTC). Times without a zone in SQL (``timestamp_ntz``) stay as
        they are.

    Example:
        >>> from pyspark.sql import Row, types as T
        >>> read = utc_reader(T.StructType([T.StructField("at", T.TimestampType())]))
        >>> read(Row(at=datetime.fromtimestamp(0))).at
        datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    read = _reader(schema)
    return read if read is not None else lambda row: row


def _reader(kind: T.DataType) -> Reader | None:
    """None: values of the type hold no times."""
    if isinstance(kind, T.TimestampType):
        return _aware
    if isinstance(kind, T.ArrayType):
        return _each(_reader(kind.elementType))
    if isinstance(kind, T.MapType):
        keys, values = _reader(kind.keyType), _reader(kind.valueType)
        if keys is None and values is None:
            return None
        return lambda found: (
            found
            and {(keys(k) if keys else k): (values(v) if values else v) for k, v in found.items()}
        )
    if isinstance(kind, T.StructType):
        return _fields([_reader(field.dataType) for field in kind.fields], kind.names)
    return None


def _aware(moment: datetime | None) -> datetime | None:
    # The fold of a repeated hour is set, so nothing is lost.
    return moment and moment.astimezone(timezone.utc)


def _each(read: Reader | None) -> Reader | None:
    if read is None:
        return None
    return lambda found: found and [read(item) for item in found]


def _fields(readers: list[Reader | None], names: list[str]) -> Reader | None:
    if not any(readers):
        return None
    # Row.__call__ makes a row with these names, which may repeat.
    make = Row(*names)
    return lambda row: (
        row
        and make(*(read(item) if read else item for read, item in zip(readers, row, strict=True)))
    )
