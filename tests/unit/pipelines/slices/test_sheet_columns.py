"""How a contact sheet uses the columns of a slice."""

from __future__ import annotations

import pytest
from pyspark.sql.types import StructType

from labelmill.errors import InputError
from labelmill.pipelines.slices.sheet_columns import SheetColumns, sheet_columns

CASES = [
    (
        "collection string, image_id string, class string, split string, pixels binary, mean float, at timestamp, all array<int>",
        SheetColumns("image_id", "class", True, False, False, ("mean", "at")),
    ),
    (
        "collection string, image_id string, classes array<string>",
        SheetColumns("image_id", "classes", False, False, False, ()),
    ),
    (
        "collection string, image_id string, label string, probability float",
        SheetColumns("image_id", "label", False, False, False, ("probability",)),
    ),
    (
        "collection string, image_id string, class string, label string",
        SheetColumns("image_id", "class", False, False, False, ("label",)),
    ),
    (
        "collection string, image_id string, mask_id string, mask_collection string",
        SheetColumns("image_id", None, False, True, True, ()),
    ),
    (
        "collection string, record_id string, class string, age int",
        SheetColumns("record_id", "class", False, False, False, ("age",)),
    ),
]


@pytest.mark.parametrize(("ddl", "expected"), CASES)
def test_columns_are_shown_as_what_they_are(ddl: str, expected: SheetColumns) -> None:
    assert sheet_columns(_schema(ddl)) == expected


def test_a_page_has_room_for_some_columns_only() -> None:
    many = ", ".join(f"c{i} int" for i in range(40))
    image = sheet_columns(_schema(f"collection string, image_id string, {many}"))
    record = sheet_columns(_schema(f"collection string, record_id string, {many}"))
    assert image.facts == tuple(f"c{i}" for i in range(6))
    assert record.facts == tuple(f"c{i}" for i in range(12))


@pytest.mark.parametrize(
    ("ddl", "message"),
    [
        ("class string, n bigint", "must return collection and image_id.*it returns class, n"),
        ("image_id string", "must return collection and image_id"),
        ("collection string, image_id string, class string, class string", "'class' twice"),
        ("collection string, image_id string, class array<string>", r"expected one class per row"),
        ("collection string, image_id string, classes string", r"expected array<string>"),
    ],
)
def test_a_slice_without_images_or_records_is_refused(ddl: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sheet_columns(_schema(ddl))


def _schema(ddl: str) -> StructType:
    made = StructType()
    for column in ddl.split(", "):
        name, kind = column.split(" ")
        made.add(name, _kind(kind))
    return made


def _kind(name: str):  # type: ignore[no-untyped-def]
    from pyspark.sql import types

    if name.startswith("array<"):
        return types.ArrayType(_kind(name[6:-1]))
    return {
        "string": types.StringType(), "binary": types.BinaryType(), "int": types.IntegerType(),
        "bigint": types.LongType(), "float": types.FloatType(), "timestamp": types.TimestampType(),
    }[name]  # fmt: skip
