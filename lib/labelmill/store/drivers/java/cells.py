"""Batches of a scanner as columns: views of the server's answer, no call into Java for any cell.

Kudu can send its answers by columns, much as Arrow does: cells one after the other
(little-endian; text and bytes as 32-bit offsets into their joined bytes), and one validity bit per
row where a column may be null. Java's client unpacks that cell by cell only, and keeps the parts
private, so they are taken from its object by reflection: one copy per batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labelmill.store.drivers.java.columns import KINDS
from labelmill.store.drivers.java.jvm import java
from labelmill.store.scans import Request
from labelmill.store.schema.rows import moment_of
from labelmill.store.schema.types import Column

if TYPE_CHECKING:
    import pyarrow as pa

_DTYPES = {"1": "i1", "4": "<i4", "8": "<i8", "f": "<f4", "d": "<f8", "t": "?"}


@dataclass(frozen=True)
class Cells:
    """One column of a batch.

    Attributes:
        column: Its declaration.
        bits: One bit per row, least significant first, 0 where null; ``None``: no nulls.
        values: ``(rows,)`` of the column's type; of text and bytes ``(rows + 1,)`` int32 offsets.
        data: Joined bytes of text and bytes; empty for others.
    """

    column: Column
    bits: NDArray[np.uint8] | None
    values: NDArray[Any]
    data: memoryview


def cells_of(batch: Any, columns: Sequence[Column]) -> list[Cells]:
    """Returns the columns of one batch.

    Args:
        batch: ``ColumnarRowResultIterator`` of Java, not empty.
        columns: The columns that were read, in order.
    """
    rows = int(batch.getNumRows())
    fixed, varying, validity = (field.get(batch) for field in _fields())
    answer: Any = None
    seen = memoryview(b"")
    found = []

    def part(piece: Any) -> memoryview:
        nonlocal answer, seen
        # All parts are in one Java array, the server's answer: it is copied once.
        raw = piece.getRawArray()
        if answer is None or not raw.equals(answer):
            answer, seen = raw, memoryview(raw).cast("B")
        start = int(piece.getRawOffset())
        return seen[start : start + int(piece.length())]

    for number, column in enumerate(columns):
        kind = KINDS[column.type]
        bits = np.frombuffer(part(validity[number]), np.uint8) if column.nullable else None
        text = kind in "sb"
        values = np.frombuffer(
            part(fixed[number]), "<i4" if text else _DTYPES[kind], rows + text
        ).copy()  # aligned, which the answer's parts are not
        data = part(varying[number]) if text else memoryview(b"")
        found.append(Cells(column, bits, values, data))
    return found


def arrow(request: Request, batch: Any) -> Iterator[pa.RecordBatch]:
    """A batch of Java as one Arrow batch; text and bytes are views."""
    import pyarrow as pa

    from labelmill.store.schema.columns import schema_of

    rows, cells = int(batch.getNumRows()), cells_of(batch, request.columns)
    if not cells:
        yield pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))
        return
    schema = schema_of(request.columns)
    arrays = []
    for one, field in zip(cells, schema, strict=True):
        bits = None if one.bits is None else pa.py_buffer(one.bits)
        values = np.packbits(one.values, bitorder="little") if field.type == pa.bool_() else None
        buffers = [bits, pa.py_buffer(one.values if values is None else values)]
        if KINDS[one.column.type] in "sb":
            buffers.append(pa.py_buffer(one.data))
        arrays.append(pa.Array.from_buffers(field.type, rows, buffers))
    yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def dicts(request: Request, batch: Any) -> Iterator[dict[str, object]]:
    """A batch of Java as rows."""
    rows, cells = int(batch.getNumRows()), cells_of(batch, request.columns)
    if not cells:
        yield from ({} for _ in range(rows))
        return
    names = [one.column.name for one in cells]
    for row in zip(*(_listed(one, rows) for one in cells), strict=True):
        yield dict(zip(names, row, strict=True))


def _listed(cells: Cells, rows: int) -> list[Any]:
    kind = KINDS[cells.column.type]
    values = _texts(cells, kind) if kind in "sb" else cells.values.tolist()
    if cells.column.type == "timestamp":
        values = [moment_of(value) for value in values]
    if cells.bits is not None:
        valid = np.unpackbits(cells.bits, count=rows, bitorder="little")
        for row in np.flatnonzero(valid == 0).tolist():
            values[row] = None
    return values


def _texts(cells: Cells, kind: str) -> list[Any]:
    ends, data = cells.values.tolist(), bytes(cells.data)
    if kind == "s" and data.isascii():
        text = data.decode("ascii")
        return [text[a:b] for a, b in pairwise(ends)]
    parts = [data[a:b] for a, b in pairwise(ends)]
    return [part.decode() for part in parts] if kind == "s" else parts


@cache
def _fields() -> list[Any]:
    holder = java("java.lang.Class").forName("org.apache.kudu.client.ColumnarRowResultIterator")
    fields = [holder.getDeclaredField(name) for name in ("data", "varlenData", "nonNullBitmaps")]
    for field in fields:
        field.setAccessible(True)
    return fields
