"""The digest of a training set: of its rows, whoever hashed them and however they were cut.

A row's hash is SHA-256 over its values in the order of the columns, all but ``split``: that is
decided when all rows are known, and the hashes are made where the rows are, on executors. Each
value adds one letter, its length (8 bytes, little-endian) and its bytes, so no two rows give the
same bytes:

``b``  binary: the bytes
``s``  text: UTF-8; numbers and truth values: what Python writes for them; times: microseconds
       since 1970 UTC
``n``  null: length 0
``l``  a list: length is the number of its items, which follow, each as a value
``h``  pixels and masks: the SHA-256 of the bytes, so that whoever holds the bytes can hash them and
       whoever holds the rest can finish

The digest is SHA-256 over what the rows are (columns with their types, kind, target, classes in
order: another order is other class indices), then each split's name, row count and row hashes in
order of (collection, id).
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.feed.rows import About

HASH = pa.binary(32)
ARRAYS = ("pixels", "mask")
"""Columns that hold arrays."""


def row_hashes(batch: pa.RecordBatch) -> pa.FixedSizeBinaryArray:
    """SHA-256 of each row of a batch, whatever other columns its split will be.

    Args:
        batch: Columns of `labelmill.feed.rows.columns_of`; a column of type `HASH` stands for bytes
            that are hashed already.

    Returns:
        `HASH` values, one a row.
    """
    parts: list[pa.Array] = []
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        if name != "split":
            parts += _encoded(sha256_each(values) if name in ARRAYS else values)
    if not len(batch) or not parts:
        return pa.array([hashlib.sha256().digest()] * len(batch), HASH)
    whole = pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.large_binary()))
    ends = np.frombuffer(whole.buffers()[1], np.int64)[: len(batch) + 1]
    return _hash_array(sha256_between(whole.buffers()[2], ends))


def sha256_each(values: pa.Array) -> pa.Array:
    """SHA-256 of each value's bytes, nulls stay; what is of type `HASH` is returned as it is."""
    if values.type == HASH:
        return values
    ends = np.frombuffer(values.buffers()[1], np.int32)[values.offset :][: len(values) + 1]
    hashed = _hash_array(sha256_between(values.buffers()[2], ends))
    return pc.if_else(values.is_valid(), hashed, None) if values.null_count else hashed


def sha256_between(data: Any, ends: npt.NDArray[np.integer[Any]]) -> bytes:
    """SHA-256 (32 bytes each, joined) of the stretches of a buffer between consecutive ends."""
    # Slices of one buffer: no bytes object is made of a row.
    whole, sha256 = memoryview(b"" if data is None else data), hashlib.sha256
    return b"".join([sha256(whole[a:b]).digest() for a, b in pairwise(ends.tolist())])


def _hash_array(hashes: bytes) -> pa.FixedSizeBinaryArray:
    rows = len(hashes) // HASH.byte_width
    return pa.FixedSizeBinaryArray.from_buffers(HASH, rows, [None, pa.py_buffer(hashes)])


def set_digest(
    columns: pa.Schema, about: About, splits: Iterable[tuple[str, bytes | memoryview]]
) -> str:
    """The digest of a training set.

    Args:
        columns: `labelmill.feed.rows.columns_of`.
        about: Kind, target, classes.
        splits: Name and row hashes (32 bytes each, in order of collection and id) of each split
            that has rows, in order of names.

    Returns:
        64 hex digits.
    """
    described = [*about, [[field.name, str(field.type)] for field in columns]]
    digest = hashlib.sha256(json.dumps(described, separators=(",", ":")).encode())
    for name, hashes in splits:
        digest.update(_value(name) + struct.pack("<Q", len(hashes) // HASH.byte_width))
        digest.update(hashes)
    return digest.hexdigest()


def _encoded(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Headers (letter and length) and bytes of a column's values, as large binary."""
    type = values.type
    if pa.types.is_list(type):
        whole = [_value(value) for value in values.to_pylist()]
        return pa.array([b""] * len(values), pa.large_binary()), pa.array(whole, pa.large_binary())
    letter = b"h" if type == HASH else b"b" if pa.types.is_binary(type) else b"s"
    if type == HASH:
        values = values.cast(pa.binary())
    if pa.types.is_timestamp(type):
        values = values.cast(pa.timestamp("us", type.tz)).cast(pa.int64())
    if pa.types.is_floating(type) or pa.types.is_boolean(type):
        # Arrow's way of writing these is its own and may change; Python's is the shortest exact one.
        texts = [None if value is None else str(value) for value in values.to_pylist()]
        values = pa.array(texts, pa.string())
    elif not (letter != b"s" or pa.types.is_string(type)):
        values = values.cast(pa.string())
    data = values.cast(pa.large_binary())
    header = np.zeros(len(data), [("letter", "S1"), ("length", "<u8")])
    header["letter"] = letter
    header["length"] = pc.fill_null(pc.binary_length(data), 0).to_numpy(zero_copy_only=False)
    if data.null_count:
        header["letter"][data.is_null().to_numpy(zero_copy_only=False)] = b"n"
        data = data.fill_null(b"")
    width = header.dtype.itemsize
    headers = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(data),
        [None, pa.py_buffer(np.arange(len(data) + 1, dtype=np.int64) * width), pa.py_buffer(header.tobytes())],
    )  # fmt: skip
    return headers, data


def _value(value: Any) -> bytes:
    if value is None:
        return struct.pack("<cQ", b"n", 0)
    if isinstance(value, list):
        return struct.pack("<cQ", b"l", len(value)) + b"".join(_value(item) for item in value)
    data = value if isinstance(value, bytes) else str(value).encode()
    return struct.pack("<cQ", b"b" if isinstance(value, bytes) else b"s", len(data)) + data
