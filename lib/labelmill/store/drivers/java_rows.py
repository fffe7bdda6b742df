"""Large batches of a scanner as rows: Java hands over columns, one call a batch.

jpype costs microseconds for each cell; compiling `ColumnReader.java` costs a fifth of a
second once, which small scans are spared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from labelmill.store.drivers.java_columns import KINDS
from labelmill.store.rows import moment_of
from labelmill.store.tables import Column

MANY = 50_000
"""Cells of a batch from which on compiling pays."""

AT_ONCE = 20_000
"""Rows taken over at once: a batch of 8 MiB may hold millions of short ones."""

_DTYPES = {"1": "i1", "4": "<i4", "8": "<i8", "f": "<f4", "d": "<f8", "t": "?"}


def rows(reader: Any, batch: Any, columns: Sequence[Column]) -> Iterator[dict[str, object]]:
    """Rows of one batch.

    Args:
        reader: ``ColumnReader`` of Java.
        batch: ``RowResultIterator``, not begun.
        columns: What is read, in order.
    """
    kinds = "".join(KINDS[column.type] for column in columns)
    nullable = "".join("T" if column.nullable else "F" for column in columns)
    names = [column.name for column in columns]
    left = int(batch.getNumRows())
    while left:
        count = min(left, AT_ONCE)
        given = bytes(reader.read(batch, count, kinds, nullable))
        for row in zip(*_cells(columns, given, count), strict=True):
            yield dict(zip(names, row, strict=True))
        left -= count


def _cells(columns: Sequence[Column], given: bytes, count: int) -> Iterator[list[Any]]:
    at = 0
    for column in columns:
        nulls: list[int] = []
        if column.nullable:
            nulls = np.flatnonzero(~np.frombuffer(given, np.bool_, count, at)).tolist()
            at += count
        values, at = _values(column, given, at, count)
        for i in nulls:
            values[i] = None
        yield values


def _values(column: Column, given: bytes, at: int, count: int) -> tuple[list[Any], int]:
    kind = KINDS[column.type]
    if kind not in "sb":
        numbers = np.frombuffer(given, _DTYPES[kind], count, at)
        values = numbers.tolist()
        if column.type == "timestamp":
            values = [moment_of(value) for value in values]
        return values, at + numbers.nbytes
    ends = [0, *np.frombuffer(given, "<i4", count, at).tolist()]
    start = at + 4 * count
    data = given[start : start + ends[-1]]
    if kind == "s" and data.isascii():
        text = data.decode("ascii")
        return [text[a:b] for a, b in pairwise(ends)], start + ends[-1]
    parts = [data[a:b] for a, b in pairwise(ends)]
    return [part.decode() for part in parts] if kind == "s" else parts, start + ends[-1]
