"""Rows as a table for people and as JSON lines for programs."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from labelmill.cli.output import print_rows

ROWS = [
    {
        "name": "[red]a", "used_by": ["x", "y"], "metric": 0.123456, "note": None, "empty": "",
        "created_at": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=timezone.utc),
    }
]  # fmt: skip


def test_json_lines_hold_the_values(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS * 2, as_json=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0]) == {**ROWS[0], "created_at": "2026-01-02T03:04:05.000678Z"}
    print_rows([], as_json=True)
    assert capsys.readouterr().out == ""


def test_a_table_is_for_people(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    print_rows(ROWS, as_json=False)
    out = capsys.readouterr().out
    for expected in ("used by", "[red]a", "0.1235", "2026-01-02T03:04:05Z"):
        assert expected in out
    assert out.count("–") == 2, "null and empty"
    print_rows([], as_json=False)
    assert capsys.readouterr().out == "none\n"
