"""What the columns of a manifest mean, row by row; no file is read."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from labelmill.errors import InputError
from labelmill.sources.base import FILES
from labelmill.sources.manifest.columns import EXPORT_COLUMNS, Columns, RowParser

COLUMNS = Columns("uri", "label", "split", "source_time", ("weight", "note"), "attributes")
CSV = RowParser(COLUMNS, "", "m.csv", ("/data",), texts=True)
PARQUET = replace(CSV, source="m.parquet", texts=False)
UTC = timezone.utc


def parse(parser: RowParser = CSV, **cells: Any) -> dict[str, Any]:
    return parser.file_of("line 7", {"uri": "a.png", **cells})


def test_every_column_of_a_file_has_its_cell() -> None:
    row = parse(
        label=" cat ",
        split="VAL",
        source_time="2024-05-01T12:30:00+02:00",
        weight="0.50",
        note="7 kg",
    )
    assert row.keys() == {*FILES.names} - {"data"}
    assert row == {
        "uri": "a.png",
        "size": 0,
        "class": "cat",
        "split": "validation",
        "origin": "manifest",
        "attributes": '{"note": "7 kg", "weight": 0.50}',
        "source_time": datetime(2024, 5, 1, 10, 30, tzinfo=UTC),
        "fault": None,
    }


def test_empty_cells_and_absent_columns_are_none() -> None:
    empty = dict.fromkeys(("class", "split", "attributes", "source_time", "fault"))
    assert parse() == {"uri": "a.png", "size": 0, "origin": "manifest", **empty}
    assert parse(label=" ", split="", weight=None) == parse()
    bare = replace(CSV, columns=Columns("uri", None, None, None, ()))
    # Without a column of classes the path may name one.
    assert parse(bare, label="cat", weight="1") == {**parse(), "origin": None}


@pytest.mark.parametrize(
    ("cell", "label"),
    [(3, "3"), (3.0, "3"), (True, "true"), (float("nan"), None), ("", None), (" x ", "x")],
)
def test_classes_of_typed_tables(cell: Any, label: str | None) -> None:
    assert parse(PARQUET, label=cell)["class"] == label


def test_a_class_of_an_export_keeps_its_spaces() -> None:
    export = replace(CSV, columns=replace(COLUMNS, is_export=True))
    assert parse(export, label=" cat ")["class"] == " cat "
    assert parse(export, split=" train ")["split"] == "train"


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        (datetime(2024, 5, 1, 12), datetime(2024, 5, 1, 12, tzinfo=UTC)),
        (datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2))), datetime(2024, 5, 1, 10, tzinfo=UTC)),
        (date(2024, 5, 1), datetime(2024, 5, 1, tzinfo=UTC)),
        (None, None),
    ],
)  # fmt: skip
def test_times_of_typed_tables_are_utc(cell: Any, moment: datetime | None) -> None:
    assert parse(PARQUET, source_time=cell)["source_time"] == moment


def test_text_becomes_a_number_only_where_types_are_unknown() -> None:
    assert parse(CSV, weight="1.50", note="007")["attributes"] == '{"note": "007", "weight": 1.50}'
    assert parse(PARQUET, weight="1.50")["attributes"] == '{"weight": "1.50"}'


def test_a_column_wins_over_the_same_key_of_the_attributes_cell() -> None:
    row = parse(attributes='{"weight": 1, "camera": "k"}', weight="2")
    assert row["attributes"] == '{"camera": "k", "weight": 2}'
    assert parse(PARQUET, attributes={"camera": 3})["attributes"] == '{"camera": 3}'
    assert parse(attributes="{}")["attributes"] is None


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("b/./a.png", "b/a.png"),
        ("/data/b/a.png", "b/a.png"),
        ("file name.png", "file name.png"),
    ],
)
def test_paths_below_the_folder(path: str, uri: str) -> None:
    assert parse(uri=path) == {**parse(), "uri": uri}


@pytest.mark.parametrize("path", ["../a.png", "b/../../a.png", "/etc/a.png", "s3://bucket/a.png"])
def test_a_path_outside_the_folder_is_a_fault_and_stays_as_written(path: str) -> None:
    row = parse(uri=path)
    assert row["uri"] == path
    assert row["fault"].startswith("outside_root: ")


def test_a_nul_in_a_path_is_a_fault() -> None:
    row = parse(uri="a\0.png")
    assert row["uri"] == "a\\x00.png"
    assert row["fault"].startswith("unreadable: ")


def test_a_pattern_builds_the_path_from_columns() -> None:
    parser = replace(PARQUET, pattern="train/{label}/{id}.png")
    assert parse(parser, label="cat", id=7)["uri"] == "train/cat/7.png"
    for wrong in (None, "", True, 1.5):
        with pytest.raises(InputError, match=r"^m\.parquet, line 7: id is .*; expected a path$"):
            parse(parser, label="cat", id=wrong)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"uri": ""}, "uri is empty; expected a path"),
        ({"uri": None}, "uri is empty; expected a path"),
        ({"uri": 1.5}, "uri is 1.5; expected a path"),
        ({"label": b"cat"}, "label b'cat'; expected text or a whole number"),
        ({"label": 0.5}, "label 0.5; expected text or a whole number"),
        ({"split": "extra"}, "split 'extra'; expected train, validation, test"),
        ({"source_time": 1714564800}, "source_time 1714564800; expected ISO 8601"),
        ({"attributes": "[1]"}, r"attributes '\[1\]'; expected a JSON object"),
        ({"attributes": '{"a": Infinity}'}, "expected a JSON object"),
        ({"attributes": '{"a": "\\ud800"}'}, "expected a JSON object"),
        ({"attributes": '{"a": 1e999}'}, "expected a JSON object"),
        ({"attributes": "[" * 100_000}, "expected a JSON object"),
        ({"weight": b"1"}, "column 'weight' holds bytes, which cannot be an attribute"),
    ],
)
def test_an_invalid_cell_names_manifest_line_and_value(cells: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"^m\.parquet, line 7: .*{message}"):
        parse(PARQUET, **cells)


def test_export_columns_are_those_of_an_exported_file() -> None:
    assert set(EXPORT_COLUMNS) == {
        "collection", "source_uri", "image_id", "width", "height", "channels", "dtype", "bytes", "sha256",
    }  # fmt: skip
