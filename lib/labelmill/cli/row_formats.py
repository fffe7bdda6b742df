"""Writes rows of a query as a table, CSV or JSON lines."""

from __future__ import annotations

import base64
import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timezone
from enum import Enum
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

_NOT_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}


class Format(str, Enum):
    """A format of rows."""

    table = "table"
    csv = "csv"
    json = "json"


def write_rows(
    rows: Iterable[Sequence[Any]],
    columns: Sequence[str],
    format: Format,
    limit: int | None,
    out: TextIO,
) -> None:
    """Writes rows; when there are more than `limit`, says so on stderr.

    Args:
        rows: Values in the order of `columns`.
        columns: Their names.
        format: The format.
        limit: Most rows to write; None: all.
        out: Where to write them.
    """
    shown = _FirstRows(rows, limit)
    if format is Format.csv:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        for row in shown:
            writer.writerow(["" if value is None else _plain_text(value) for value in row])
    elif format is Format.json:
        for row in shown:
            fields = {name: plain(value) for name, value in zip(columns, row, strict=True)}
            out.write(json.dumps(fields, ensure_ascii=False) + "\n")
    else:
        _as_table(columns, [[_cell(value) for value in row] for row in shown], Console(file=out))
    if shown.more:
        Console(stderr=True).print(f"first {limit:,} rows; --limit N shows more", highlight=False)


def _as_table(columns: Sequence[str], rows: list[list[str]], console: Console) -> None:
    widths = [max([len(n), *(len(row[i]) for row in rows)]) for i, n in enumerate(columns)]
    table = RichTable()
    if sum(widths) + 3 * len(widths) + 1 <= console.width:
        for name in columns:
            table.add_column(escape(name), no_wrap=True)
        for row in rows:
            table.add_row(*map(escape, row))
    else:
        # Too wide for one line per row: one line per value, one section per row.
        table.add_column("column", no_wrap=True)
        table.add_column("value", overflow="fold")
        for row in rows:
            for name, cell in zip(columns, row, strict=True):
                table.add_row(escape(name), escape(cell))
            table.add_section()
    console.print(table)


def plain(value: Any) -> Any:
    """A value for JSON: bytes as base64, times as ISO 8601, UTC with Z, rows as objects.

    JSON has no NaN: it is text, as Spark's ``to_json`` writes it, so that it is not taken for null.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return _NOT_FINITE.get(value, "NaN")
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return shown_time(value)
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "asDict"):
        return {name: plain(item) for name, item in value.asDict().items()}
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def shown_time(moment: datetime) -> str:
    """A time as ISO 8601: UTC with ``Z``; without a zone when it has none.

    Example:
        >>> from datetime import timezone
        >>> shown_time(datetime(2026, 1, 31, 12, tzinfo=timezone.utc))
        '2026-01-31T12:00:00Z'
    """
    if moment.tzinfo is None:
        return moment.isoformat()
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


class _FirstRows:
    """Iterates over the first rows; `more` then says whether there are more."""

    def __init__(self, rows: Iterable[Sequence[Any]], limit: int | None) -> None:
        self._rows, self._limit, self.more = rows, limit, False

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for number, row in enumerate(self._rows):
            if self._limit is not None and number >= self._limit:
                self.more = True
                return
            yield row


def _plain_text(value: Any) -> Any:
    found = plain(value)
    return json.dumps(found, ensure_ascii=False) if isinstance(found, (dict, list)) else found


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, (bytes, bytearray)):
        return f"<{len(value):,} bytes>"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(_plain_text(value))
