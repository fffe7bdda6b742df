"""The digest of a training set: of its rows, however they are divided into batches and shards.

The rows of a split, in order of (collection, id), are hashed column by column, each column in up to
three streams with a SHA-256 of their own:

validity  one byte per row: 1, or 0 where the value is null
lengths   of text, bytes and lists: 8 bytes per row, little-endian; of lists the number of items
values    of text and bytes: the bytes, concatenated; numbers and times (microseconds UTC):
          little-endian in their width; booleans: one byte; nulls: nothing, or zeros of that width;
          of lists: their items, as a column again

The digest is SHA-256 over the description of the rows (kind, target, classes in order, because the
order decides class indices, columns with their types), then for each split that has rows, by name: its
name, its number of rows and the hashes of its streams. The column ``split`` is not hashed itself.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from labelmill.feed.files.columns import About


class SetDigest:
    """Hashes the rows of a training set, in order.

    Args:
        columns: `labelmill.feed.files.columns.columns_of`.
        about: Kind, target, classes.
    """

    def __init__(self, columns: pa.Schema, about: About) -> None:
        described = [*about, [[field.name, str(field.type)] for field in columns]]
        self._hash = hashlib.sha256(json.dumps(described, separators=(",", ":")).encode())
        self._names = [name for name in columns.names if name != "split"]
        self._split, self._rows = "", 0
        self._streams: list[hashlib._Hash] = []

    def update(self, split: str, batch: pa.RecordBatch) -> None:
        """Adds the next rows.

        Args:
            split: The split of the rows; splits come one after the other, by name.
            batch: All columns; ``split`` may be missing.
        """
        if split != self._split:
            self._close()
            self._split = split
        streams = [s for name in self._names for s in _streams(batch.column(name))]
        self._streams = self._streams or [hashlib.sha256() for _ in streams]
        self._rows += len(batch)
        # hashlib hashes buffers of this size without the interpreter's lock.
        for hashed, data in zip(self._streams, streams, strict=True):
            hashed.update(data)

    def hexdigest(self) -> str:
        """The digest, 64 hex digits. No rows may be added afterwards."""
        self._close()
        return self._hash.hexdigest()

    def _close(self) -> None:
        if self._rows:
            name = self._split.encode()
            self._hash.update(struct.pack("<Q", len(name)) + name + struct.pack("<Q", self._rows))
            self._hash.update(b"".join(hashed.digest() for hashed in self._streams))
        self._rows, self._streams = 0, []


def _streams(values: pa.Array) -> Iterator[Any]:
    """The streams of a column, as buffers."""
    type, rows = values.type, len(values)
    yield values.is_valid().cast(pa.uint8()).to_numpy(zero_copy_only=False)
    if values.null_count:
        values = _without_nulls(values)
    if pa.types.is_list(type) or pa.types.is_string(type) or pa.types.is_binary(type):
        whole = np.frombuffer(values.buffers()[1] or bytes(4), np.int32)
        ends = whole[values.offset : values.offset + rows + 1] if rows else whole[:1]
        yield np.diff(ends).astype("<i8")
        first, last = int(ends[0]), int(ends[-1])
        if pa.types.is_list(type):
            yield from _streams(values.values.slice(first, last - first))
        else:
            yield memoryview(values.buffers()[2] or b"")[first:last]
        return
    if pa.types.is_boolean(type):
        values = values.cast(pa.uint8())
    elif pa.types.is_timestamp(type):
        values = values.cast(pa.timestamp("us", type.tz)).cast(pa.int64())
    numbers = values.to_numpy(zero_copy_only=False)
    yield np.ascontiguousarray(numbers.astype(numbers.dtype.newbyteorder("<"), copy=False))


def _without_nulls(values: pa.Array) -> pa.Array:
    """Replaces nulls by nothing or zeros: Arrow allows any bytes there."""
    type = values.type
    if pa.types.is_list(type):
        return pa.array([value or [] for value in values.to_pylist()], type)
    if pa.types.is_string(type) or pa.types.is_binary(type):
        return values.fill_null(pa.scalar(b"", pa.binary()).cast(type))
    return values.fill_null(pa.scalar(0, pa.int64()).cast(type))
