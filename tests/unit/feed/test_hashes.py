"""The digest of a training set: written out by hand from the rule, and what must change it."""

from __future__ import annotations

import hashlib
import json
import struct
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa

from labelmill.feed.hashes import row_hashes, set_digest
from labelmill.feed.rows import About, columns_of

COLUMNS = pa.schema([
    ("collection", pa.string()), ("record_id", pa.string()), ("split", pa.string()),
    ("classes", pa.list_(pa.string())), ("age", pa.int16()), ("weight", pa.float32()),
    ("alive", pa.bool_()), ("at", pa.timestamp("us", "UTC")), ("raw", pa.binary()),
])  # fmt: skip
AT = datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=timezone.utc)
ROW = {
    "collection": "ü", "record_id": "r", "split": "train", "classes": ["x", "yy"], "age": -7,
    "weight": 0.5, "alive": True, "at": AT, "raw": b"\0\1",
}  # fmt: skip


def _value(letter: bytes, data: bytes) -> bytes:
    return letter + struct.pack("<Q", len(data)) + data


def _hashes(*rows: dict[str, Any], columns: pa.Schema = COLUMNS) -> list[bytes]:
    found: list[bytes] = row_hashes(pa.RecordBatch.from_pylist(list(rows), columns)).to_pylist()
    return found


def test_a_row_is_hashed_by_the_written_rule() -> None:
    micros = 1_769_860_800_000_005
    expected = b"".join([
        _value(b"s", "ü".encode()), _value(b"s", b"r"),
        b"l" + struct.pack("<Q", 2) + _value(b"s", b"x") + _value(b"s", b"yy"),
        _value(b"s", b"-7"), _value(b"s", b"0.5"), _value(b"s", b"True"),
        _value(b"s", str(micros).encode()), _value(b"b", b"\0\1"),
    ])  # fmt: skip
    nulls = dict.fromkeys(ROW) | {"collection": "", "record_id": ""}
    nothing = _value(b"s", b"") * 2 + _value(b"n", b"") * 6
    assert _hashes(ROW, nulls) == [hashlib.sha256(e).digest() for e in (expected, nothing)]


def test_hashes_do_not_depend_on_how_rows_are_cut() -> None:
    rows = [ROW | {"record_id": str(n), "age": n, "raw": b"x" * n} for n in range(9)]
    batch = pa.RecordBatch.from_pylist(rows, COLUMNS)
    cut = [h for start in (0, 4, 8) for h in row_hashes(batch.slice(start, 4)).to_pylist()]
    assert cut == _hashes(*rows)
    assert len(set(cut)) == 9
    assert _hashes() == []


def test_values_are_kept_apart() -> None:
    two = pa.schema([("a", pa.string()), ("b", pa.string())])
    rows = [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc"), ("abc", None), (None, "abc")]
    hashes = _hashes(*({"a": a, "b": b} for a, b in rows), columns=two)
    assert len(set(hashes)) == len(rows)
    lists = pa.schema([("a", pa.list_(pa.string())), ("b", pa.list_(pa.string()))])
    several = [(["x", "y"], []), (["x"], ["y"]), ([], ["x", "y"]), (None, ["x", "y"])]
    assert len(set(_hashes(*({"a": a, "b": b} for a, b in several), columns=lists))) == 4


def test_the_split_of_a_row_is_in_the_digest_and_not_in_its_hash() -> None:
    assert _hashes(ROW) == _hashes(ROW | {"split": "test"}) == _hashes(ROW | {"split": None})


def test_splits_columns_and_the_order_of_classes_change_the_digest() -> None:
    one, two = _hashes(ROW, ROW | {"age": 1})
    columns, about = columns_of("images", "class"), About("images", "class", ["a", "b"])
    described = ["images", "class", ["a", "b"], [[f.name, str(f.type)] for f in columns]]
    header = json.dumps(described, separators=(",", ":")).encode()
    body = b"".join(
        _value(b"s", name) + struct.pack("<Q", 1) + row
        for name, row in ((b"test", one), (b"train", two))
    )
    digest = set_digest(columns, about, [("test", one), ("train", two)])
    assert digest == hashlib.sha256(header + body).hexdigest()
    others = [
        set_digest(columns, about, [("test", two), ("train", one)]),
        set_digest(columns, about, [("train", one + two)]),
        set_digest(columns, about._replace(classes=["b", "a"]), [("test", one), ("train", two)]),
        set_digest(
            columns.append(pa.field("x", pa.int8())), about, [("test", one), ("train", two)]
        ),
    ]
    assert len({digest, *others}) == 5


def test_pixels_count_by_their_hash_whoever_made_it() -> None:
    columns = pa.schema([("image_id", pa.string()), ("pixels", pa.binary())])
    batch = pa.RecordBatch.from_pylist(
        [{"image_id": str(n), "pixels": bytes([n]) * n} for n in range(5)], columns
    )
    made = [hashlib.sha256(bytes([n]) * n).digest() for n in range(5)]
    before = batch.set_column(1, "pixels", pa.array(made, pa.binary(32)))
    expected = [
        hashlib.sha256(_value(b"s", str(n).encode()) + _value(b"h", made[n])).digest()
        for n in range(5)
    ]
    assert row_hashes(batch).to_pylist() == row_hashes(before).to_pylist() == expected
    assert row_hashes(batch.slice(2, 2)).to_pylist() == expected[2:4]
