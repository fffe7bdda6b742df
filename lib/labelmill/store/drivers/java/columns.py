"""Arrow columns written through Kudu's Java client: one copy per flush, split into cells by Java.

jpype costs microseconds per cell; here it costs one call per flush.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import jpype
import numpy as np
from numpy.typing import NDArray

from labelmill.store.client import Operation
from labelmill.store.drivers.flushes import FLUSH_ROWS, cuts
from labelmill.store.errors import SAMPLES, refused
from labelmill.store.schema.types import Table, Type

Bytes = NDArray[np.uint8]

KINDS: dict[Type, str] = {
    "string": "s",
    "binary": "b",
    "int8": "1",
    "int32": "4",
    "int64": "8",
    "timestamp": "8",
    "float": "f",
    "double": "d",
    "bool": "t",
}
"""Letters that ``ColumnWriter.java`` and `labelmill.store.drivers.java.cells` read."""

_WIDTHS = {"1": 1, "4": 4, "8": 8, "f": 4, "d": 8, "t": 1}
_SMALLEST = 1 << 20
_Borrowed: TypeAlias = "tuple[Bytes, Any]"
_SPARE: list[_Borrowed] = []
"""Idle buffers, as numpy and as Java see them: Java returns memory late."""


def write(
    writer_class: Any,
    handle: Any,
    table: Table,
    ready: Any,
    operation: Operation,
    timeout_ms: int,
) -> int:
    """Sends checked columns in flushes of bounded size.

    Args:
        writer_class: ``ColumnWriter`` of Java.
        handle: Kudu's table.
        table: Its declaration.
        ready: ``pyarrow.Table`` as `labelmill.store.schema.columns.checked_batch` returns it.
        operation: See `RowClient.write`.
        timeout_ms: Timeout of each flush.

    Raises:
        RowsRefused: Kudu refused rows; rows of other flushes may be written.
        StoreUnreachable: Kudu did not take rows within the time.
    """
    writer = writer_class(handle, operation, FLUSH_ROWS, SAMPLES, timeout_ms)
    underway: list[_Borrowed] = []
    try:
        for batch in _batches(ready):
            columns = [
                _column(number, KINDS[column.type], batch.column(column.name))
                for number, column in enumerate(table.columns)
                if column.name in batch.schema.names
            ]
            kinds = "".join(column.kind for column in columns)
            sizes = sum(column.sizes for column in columns)
            for start, end in cuts(np.broadcast_to(sizes, len(batch))):
                underway.append(_send(writer, kinds, columns, start, end))
                _SPARE.extend(underway[:-1])
                del underway[:-1]
    finally:
        writer.close()
    _SPARE.extend(underway)
    if writer.refused():
        shown = [str(text) for text in writer.shown()]
        samples = list(zip(shown[::2], shown[1::2], strict=True))
        raise refused(table, samples, int(writer.refused()), len(ready), operation)
    return len(ready)


@dataclass(frozen=True)
class _Column:
    """One column of a batch.

    Attributes:
        number: In the table.
        kind: See `KINDS`.
        valid: One byte a row, 0 where null; ``None``: no nulls.
        cells: Their bytes: those of row i begin at ``width * i``, or are between offsets.
        offsets: Of text and bytes into ``cells``, one more than rows.
        sizes: Bytes of each row's cell; one number where all are equal.
    """

    number: int
    kind: str
    valid: Bytes | None
    cells: Bytes
    offsets: NDArray[np.integer[Any]] | None
    sizes: NDArray[np.int64] | int

    def parts(self, start: int, end: int) -> tuple[Bytes | None, Bytes, Bytes | None]:
        """Returns validity, cells (or their offsets, from 0) and bytes of some rows."""
        valid = None if self.valid is None else self.valid[start:end]
        if self.offsets is None:
            width = _WIDTHS[self.kind]
            return valid, self.cells[width * start : width * end], None
        offsets = self.offsets[start : end + 1]
        data = self.cells[int(offsets[0]) : int(offsets[-1])]
        return valid, (offsets - offsets[0]).astype("<i4").view(np.uint8), data


def _batches(ready: Any) -> Iterator[Any]:
    if ready.num_rows < FLUSH_ROWS * ready.column(0).num_chunks:
        ready = ready.combine_chunks()
    return (batch for batch in ready.to_batches() if len(batch))


def _column(number: int, kind: str, array: Any) -> _Column:
    rows, at = len(array), array.offset
    buffers = array.buffers()
    valid = _bits(buffers[0], at, rows) if array.null_count else None
    cells = _bytes(buffers[-1])
    if kind in "sb":
        word = "<i8" if str(array.type).startswith("large") else "<i4"
        offsets = _bytes(buffers[1]).view(word)[at : at + rows + 1]
        return _Column(number, kind, valid, cells, offsets, np.diff(offsets).astype(np.int64))
    if kind == "t":
        return _Column(number, kind, valid, _bits(buffers[1], at, rows), None, 8)
    return _Column(number, kind, valid, cells[_WIDTHS[kind] * at :], None, 8)


def _bytes(buffer: Any) -> Bytes:
    return np.frombuffer(buffer or b"", np.uint8)


def _bits(buffer: Any, at: int, rows: int) -> Bytes:
    some = _bytes(buffer)[at // 8 : (at + rows + 7) // 8]
    return np.unpackbits(some, bitorder="little")[at % 8 : at % 8 + rows]


def _send(writer: Any, kinds: str, columns: list[_Column], start: int, end: int) -> _Borrowed:
    """Sends some rows; the buffer is in use until the next ones are sent or the writer is closed."""
    layout: list[int] = []
    pieces: list[tuple[int, Bytes]] = []
    size = 0
    for column in columns:
        layout.append(column.number)
        for part in column.parts(start, end):
            layout.append(-1 if part is None else size)
            if part is not None:
                pieces.append((size, part))
                size += len(part)
    memory, buffer = _borrow(size)
    for position, part in pieces:
        memory[position : position + len(part)] = part
    writer.send(buffer, end - start, kinds, jpype.JArray(jpype.JInt)(layout))
    return memory, buffer


def _borrow(size: int) -> _Borrowed:
    # Threads may be here at once: each pop and append is atomic.
    try:
        memory, buffer = _SPARE.pop()
        if len(memory) >= size:
            return memory, buffer
    except IndexError:
        pass
    memory = np.empty(max(_SMALLEST, 1 << (size - 1).bit_length()), np.uint8)
    return memory, jpype.nio.convertToDirectBuffer(memory)
