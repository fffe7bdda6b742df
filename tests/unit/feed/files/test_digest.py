"""The digest of a training set: written out by hand from the rule, and what must change it."""

from __future__ import annotations

import hashlib
import json
import struct
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pyarrow as pa

from labelmill.feed.files.columns import About, columns_of
from labelmill.feed.files.digest import SetDigest

COLUMNS = pa.schema([
    ("record_id", pa.string()), ("split", pa.string()), ("classes", pa.list_(pa.string())),
    ("age", pa.int16()), ("weight", pa.float32()), ("alive", pa.bool_()),
    ("at", pa.timestamp("us", "UTC")), ("raw", pa.binary()),
])  # fmt: skip
ABOUT = About("records", "classes", ["x", "yy"])
ROW = {
    "record_id": "ü", "split": "train", "classes": ["x", "yy"], "age": -7, "weight": 0.5,
    "alive": True, "at": datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=timezone.utc), "raw": b"\0\1",
}  # fmt: skip
NULLS = dict.fromkeys(ROW) | {"record_id": "", "split": "train"}


def _batch(*rows: dict[str, Any], columns: pa.Schema = COLUMNS) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(rows), columns)


def _digest(
    *parts: tuple[str, pa.RecordBatch], columns: pa.Schema = COLUMNS, about: About = ABOUT
) -> str:
    digest = SetDigest(columns, about)
    for split, batch in parts:
        digest.update(split, batch)
    return digest.hexdigest()


def test_it_is_made_by_the_written_rule() -> None:
    described = ["records", "classes", ["x", "yy"], [[f.name, str(f.type)] for f in COLUMNS]]
    there, lengths = b"\1\0", lambda *sizes: struct.pack(f"<{len(sizes)}q", *sizes)
    streams = [
        b"\1\1", lengths(2, 0), "ü".encode(),
        there, lengths(2, 0), b"\1\1", lengths(1, 2), b"xyy",
        there, struct.pack("<hh", -7, 0),
        there, struct.pack("<ff", 0.5, 0),
        there, b"\1\0",
        there, struct.pack("<qq", 1_769_860_800_000_005, 0),
        there, lengths(2, 0), b"\0\1",
    ]  # fmt: skip
    hashed = b"".join(hashlib.sha256(stream).digest() for stream in streams)
    train = struct.pack("<Q", 5) + b"train" + struct.pack("<Q", 2) + hashed
    header = json.dumps(described, separators=(",", ":")).encode()
    expected = hashlib.sha256(header + train).hexdigest()
    assert _digest(("train", _batch(ROW, NULLS))) == expected


def test_it_does_not_depend_on_how_rows_are_cut_or_held() -> None:
    rows = [
        (ROW if n % 3 else NULLS) | {"record_id": str(n), "raw": b"x" * n if n % 2 else None}
        for n in range(9)
    ]
    whole = _batch(*rows)
    once = _digest(("train", whole))
    parts = [("train", whole.slice(start, size)) for start, size in ((0, 4), (4, 0), (4, 5))]
    assert _digest(*parts) == once
    assert _digest(("train", whole.select([n for n in COLUMNS.names if n != "split"]))) == once
    # A null may hide bytes and numbers that nobody sees.
    hidden = pa.StringArray.from_buffers(
        2, pa.py_buffer(np.array([0, 1, 4], np.int32)), pa.py_buffer(b"abcd"),
        pa.py_buffer(bytes([1])), 1,
    )  # fmt: skip
    named = pa.schema([("a", pa.string())])
    seen = pa.RecordBatch.from_arrays([pa.array(["a", None])], ["a"])
    unseen = pa.RecordBatch.from_arrays([hidden], ["a"])
    assert _digest(("t", seen), columns=named) == _digest(("t", unseen), columns=named)


def test_values_are_kept_apart() -> None:
    two = pa.schema([("a", pa.string()), ("b", pa.string())])
    rows = [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc"), ("abc", None), (None, "abc")]
    digests = {_digest(("t", _batch({"a": a, "b": b}, columns=two)), columns=two) for a, b in rows}
    assert len(digests) == len(rows)
    lists = pa.schema([("a", pa.list_(pa.string()))])
    several: list[list[list[str] | None]] = [
        [["x", "y"], []], [["x"], ["y"]], [[], ["x", "y"]], [None, ["x", "y"]], [["xy"], []],
    ]  # fmt: skip
    digests = {
        _digest(("t", _batch(*({"a": a} for a in both), columns=lists)), columns=lists)
        for both in several
    }
    assert len(digests) == 5
    one = pa.schema([("a", pa.int8())])
    numbers = {
        _digest(("t", _batch({"a": a}, {"a": b}, columns=one)), columns=one)
        for a, b in ((0, None), (None, 0), (0, 0), (1, 0))
    }
    assert len(numbers) == 4


def test_splits_columns_types_and_the_order_of_classes_change_it() -> None:
    columns, about = columns_of("images", "class"), About("images", "class", ["a", "b"])
    rows = [
        {
            "collection": "c", "image_id": str(n), "split": "train", "height": 1, "width": 1,
            "channels": 1, "dtype": "uint8", "pixels": bytes([n]), "class": "a",
        }
        for n in range(3)
    ]  # fmt: skip
    one, two = _batch(rows[0], columns=columns), _batch(*rows[1:], columns=columns)
    digest = _digest(("test", one), ("train", two), columns=columns, about=about)
    wider = pa.schema([f if f.name != "height" else f.with_type(pa.int64()) for f in columns])
    others = {
        _digest(("test", two), ("train", one), columns=columns, about=about),
        _digest(("train", one), ("train", two), columns=columns, about=about),
        _digest(
            ("test", one), ("train", two), columns=columns, about=about._replace(target="none")
        ),
        _digest(
            ("test", one), ("train", two), columns=columns, about=about._replace(classes=["b", "a"])
        ),
        _digest(("test", one), ("train", two.cast(wider)), columns=wider, about=about),
    }
    assert len({digest, *others}) == 6
