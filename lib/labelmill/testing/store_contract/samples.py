"""Tables and rows that the store contract works on."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pyarrow as pa

from labelmill.store.schema.types import Column, Table, Type

TYPES: tuple[Type, ...] = (
    "string",
    "binary",
    "int8",
    "int32",
    "int64",
    "float",
    "double",
    "bool",
    "timestamp",
)

EVERY_TYPE = Table(
    "contract_types",
    (
        Column("name", "string", "text key", key=True),
        Column("number", "int32", "integer key", key=True),
        *(Column(f"a_{t}", t, f"a nullable {t}", nullable=True) for t in TYPES),
    ),
    "every type, each nullable",
    hash_on=("name",),
)

EVERY_TYPE_COLUMNS = pa.schema(
    {
        "name": pa.string(),
        "number": pa.int32(),
        "a_string": pa.string(),
        "a_binary": pa.binary(),
        "a_int8": pa.int8(),
        "a_int32": pa.int32(),
        "a_int64": pa.int64(),
        "a_float": pa.float32(),
        "a_double": pa.float64(),
        "a_bool": pa.bool_(),
        "a_timestamp": pa.timestamp("us", tz="UTC"),
    }
)
"""Rows of `EVERY_TYPE` as Arrow columns."""

PLAIN = Table(
    "contract_plain",
    (
        Column("name", "string", "key", key=True),
        Column("number", "int64", "must be there"),
        Column("note", "string", "may be null", nullable=True),
    ),
    "one tablet, one required and one optional column",
)

MOMENT = datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=timezone.utc)

FULL: dict[str, object] = {
    "name": "naïve 🐈 \t\"'\\ 日本",
    "number": -(2**31),
    "a_string": "ß\nß",
    "a_binary": bytes(range(256)),
    "a_int8": -128,
    "a_int32": 2**31 - 1,
    "a_int64": -(2**63),
    "a_float": 0.5,
    "a_double": 0.1,
    "a_bool": True,
    "a_timestamp": MOMENT,
}
"""A row in which every cell survives exactly (0.5 is exact in float32)."""

EMPTY: dict[str, object] = {
    "name": "",
    "number": 0,
    "a_string": "",
    "a_binary": b"",
    "a_int8": 0,
    "a_int32": 0,
    "a_int64": 0,
    "a_float": 0.0,
    "a_double": 0.0,
    "a_bool": False,
    "a_timestamp": datetime(1970, 1, 1, tzinfo=timezone.utc),
}
"""A row of values that are false, and are values all the same."""

NULLS: dict[str, object] = {"name": "nulls", "number": 1, **{f"a_{t}": None for t in TYPES}}
"""A row of nulls."""


def plain_rows(count: int, start: int = 0) -> list[dict[str, object]]:
    """Rows of `PLAIN`, ``row-00000`` onward."""
    return [
        {"name": f"row-{i:05d}", "number": i, "note": f"note {i}" if i % 2 else None}
        for i in range(start, start + count)
    ]


def earlier(seconds: float) -> int:
    """A snapshot time so long ago, in milliseconds since 1970 UTC."""
    moment = datetime.now(timezone.utc) - timedelta(seconds=seconds)
    return int(moment.timestamp() * 1000)
