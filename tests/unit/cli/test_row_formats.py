"""Rows as a table, CSV and JSON lines."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import datetime
from typing import Any

import pytest
from pyspark.sql import Row

from labelmill.cli.row_formats import Format, write_rows

ROWS: list[tuple[Any, ...]] = [
    ("[red]a", b"\x00\x01\x02", None, datetime(2026, 1, 2, 3, 4, 5), 0.5),
    ('say "b", c', b"", 7, None, 1e-9),
]
COLUMNS = ["name", "pixels", "n", "at", "p"]


def _written(format: Format, limit: int | None = None) -> str:
    out = io.StringIO()
    write_rows(ROWS, COLUMNS, format, limit, out)
    return out.getvalue()


def test_a_table_shows_the_size_of_bytes_and_text_as_it_is() -> None:
    shown = _written(Format.table)
    for expected in ("[red]a", "<3 bytes>", "<0 bytes>", "–", "2026-01-02T03:04:05"):
        assert expected in shown


def test_csv_is_read_back() -> None:
    header, first, second = csv.reader(io.StringIO(_written(Format.csv)))
    assert header == COLUMNS
    assert first == ["[red]a", "AAEC", "", "2026-01-02T03:04:05", "0.5"]
    assert second[0] == 'say "b", c'


def test_json_has_one_object_a_line_and_keeps_nesting() -> None:
    first, _ = (json.loads(line) for line in _written(Format.json).splitlines())
    assert first == {
        "name": "[red]a",
        "pixels": "AAEC",
        "n": None,
        "at": "2026-01-02T03:04:05",
        "p": 0.5,
    }
    out = io.StringIO()
    write_rows([([1, 2], Row(a=b"\x01"), {"k": 1})], ["l", "s", "m"], Format.json, None, out)
    assert json.loads(out.getvalue()) == {"l": [1, 2], "s": {"a": "AQ=="}, "m": {"k": 1}}


def test_what_json_has_no_number_for_is_text() -> None:
    out = io.StringIO()
    row = ([math.nan], math.inf, Row(a=-math.inf), None, 0.5)
    write_rows([row], ["l", "i", "s", "n", "p"], Format.json, None, out)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = json.loads(out.getvalue(), parse_constant=refuse)
    assert found == {"l": ["NaN"], "i": "Infinity", "s": {"a": "-Infinity"}, "n": None, "p": 0.5}


def test_more_rows_than_shown_are_reported_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(_written(Format.json, limit=1).splitlines()) == 1
    assert "first 1 rows" in capsys.readouterr().err
    _written(Format.json, limit=2)
    assert "rows" not in capsys.readouterr().err
