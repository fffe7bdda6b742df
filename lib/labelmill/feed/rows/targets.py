"""The targets of a split, and the features of records, by row number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.errors import InputError
from labelmill.feed.files.columns import About, key_of
from labelmill.feed.order.permutation import RowIndex
from labelmill.feed.rows.pixels import by_shard


class OneClass:
    """Class indices: int64 ``(N,)``.

    Args:
        table: Rows of the split.
        about: Metadata of the shards.

    Raises:
        InputError: A class that is not in the class list; names rows.
    """

    def __init__(self, table: pa.Table, about: About) -> None:
        self._indices = _indices(table["class"], table, about)
        self._count = len(about.classes)

    def take(self, rows: RowIndex) -> npt.NDArray[np.int64]:
        """Class indices of rows."""
        return self._indices[rows].astype(np.int64)

    def members(self) -> list[RowIndex]:
        """Row numbers of each class that has any, in the order of class indices."""
        found = (np.flatnonzero(self._indices == number) for number in range(self._count))
        return [rows for rows in found if len(rows)]

    def counts(self) -> npt.NDArray[np.int64]:
        """Number of rows of each class, int64 ``(K,)``."""
        return np.bincount(self._indices, minlength=self._count)


class Classes:
    """Several classes per row: float32 ``(N, K)``, 1 where the row has the class, else 0.

    Args:
        table: Rows of the split.
        about: Metadata of the shards.

    Raises:
        InputError: A null list, or a class that is not in the class list; names rows.
    """

    def __init__(self, table: pa.Table, about: About) -> None:
        lists = table["classes"].combine_chunks()
        if lists.null_count:
            raise InputError("rows without classes; expected an empty list where a row has none")
        lengths = pc.list_value_length(lists).to_numpy()
        self._ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        owners = np.repeat(np.arange(len(table)), lengths)
        self._indices = _indices(lists.flatten(), table, about, owners)
        self._count = len(about.classes)

    def take(self, rows: RowIndex) -> npt.NDArray[np.float32]:
        """Zeros and ones of rows."""
        lengths = self._ends[rows + 1] - self._ends[rows]
        owners = np.repeat(np.arange(len(rows)), lengths)
        within = np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        out = np.zeros((len(rows), self._count), np.float32)
        out[owners, self._indices[np.repeat(self._ends[rows], lengths) + within]] = 1
        return out

    def counts(self) -> npt.NDArray[np.int64]:
        """Number of rows that have each class, int64 ``(K,)``."""
        return np.bincount(self._indices, minlength=self._count)


class Features:
    """The feature columns of records: name → ``(N,)``.

    Numbers and booleans keep their type, times are microseconds since 1970 UTC (int64), text is
    ``str`` and binary ``bytes`` in object arrays. Missing text is ``""``, a missing float NaN.

    Args:
        table: Rows of the split.
        about: Metadata of the shards.

    Raises:
        InputError: No features; or a missing integer, boolean or time, which no value represents.
    """

    def __init__(self, table: pa.Table, about: About) -> None:
        others = {"collection", key_of(about.kind), "split", about.target}
        self._columns = {name: table[name] for name in table.column_names if name not in others}
        if not self._columns:
            raise InputError(
                "records without features; select more columns and freeze the slice again"
            )
        for name, column in self._columns.items():
            if column.null_count and _filler(column.type) is None:
                raise InputError(
                    f"the column {name!r} ({column.type}) has {column.null_count:,} rows without a value, "
                    f"which its type cannot represent; give one in the query: coalesce({name}, …)"
                )

    def take(self, rows: RowIndex) -> dict[str, npt.NDArray[Any]]:
        """Features of rows."""
        return {name: _gather(column, rows) for name, column in self._columns.items()}


def _gather(column: pa.ChunkedArray, rows: RowIndex) -> npt.NDArray[Any]:
    # Chunk by chunk: Arrow would first concatenate all chunks of text, which may be more bytes than
    # one array of text can hold.
    if column.num_chunks == 1:
        return _array(column.chunk(0).take(pa.array(rows)))
    starts = np.cumsum([0, *(len(chunk) for chunk in column.chunks)])
    out: npt.NDArray[Any] | None = None
    for number, of, within in by_shard(starts, rows):
        found = _array(column.chunk(number).take(pa.array(within)))
        if out is None:
            out = np.empty(len(rows), found.dtype)
        out[of] = found
    return _array(column.slice(0, 0).combine_chunks()) if out is None else out


def _array(column: pa.Array) -> npt.NDArray[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if column.null_count:
        column = column.fill_null(_filler(column.type))
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _filler(type: pa.DataType) -> str | bytes | float | None:
    if pa.types.is_string(type):
        return ""
    if pa.types.is_binary(type):
        return b""
    return float("nan") if pa.types.is_floating(type) else None


def _indices(
    values: pa.Array | pa.ChunkedArray,
    table: pa.Table,
    about: About,
    owners: Sequence[int] | RowIndex | None = None,
) -> npt.NDArray[np.int32]:
    """The index of each value in the class list; `owners` are the rows that the values belong to."""
    found = pc.index_in(values, value_set=pa.array(about.classes, pa.string()))
    if found.null_count:
        unknown = found.is_null().to_numpy(zero_copy_only=False).nonzero()[0]
        names = sorted({str(values[int(i)].as_py()) for i in unknown[:1000]})
        rows = unknown[:3] if owners is None else np.asarray(owners)[unknown[:3]]
        ids = [table[key_of(about.kind)][int(row)].as_py() for row in rows]
        raise InputError(
            f"{found.null_count:,} labels are not in the class list {about.classes}: "
            f"{', '.join(names[:5])}; for example of {', '.join(i[:12] for i in ids)}. Freeze the "
            "slice again with a class list that has them"
        )
    return np.asarray(found.to_numpy(), np.int32)
