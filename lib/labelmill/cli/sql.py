"""``labelmill sql``: read-only SQL over the catalogue, as a table, CSV or JSON lines."""

from __future__ import annotations

import base64
import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from labelmill import settings as settings_module

TABLE_ROWS = 100
"""Rows of a table when no limit is given; CSV and JSON have no limit of their own."""


class Format(str, Enum):
    """How rows are written."""

    table = "table"
    csv = "csv"
    json = "json"


def sql(
    query: Annotated[str, typer.Argument(help='One query, for example "select * from images".')],
    format: Annotated[
        Format, typer.Option(help="table, csv, or json (one object a line).")
    ] = Format.table,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help=f"At most so many rows. Default: {TABLE_ROWS} in a table."),
    ] = None,
    snapshot: Annotated[
        int | None, typer.Option(help="Read as of this time, milliseconds since 1970 UTC.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Value of a :parameter of the query; may be repeated. A number, true, false, null, "
            "date '…', timestamp '…' (UTC); else text, which quotes '…' force.",
        ),
    ] = None,
    kudu_masters: Annotated[
        str | None, typer.Option(help="Kudu masters. Default: settings.")
    ] = None,
    table_prefix: Annotated[str | None, typer.Option(help="Prefix of the Kudu tables.")] = None,
) -> None:
    """Ask the catalogue: every table is a view, and `truth` and `truth_conflicts`. Reading only.

    Bytes are shown by their size in a table and as base64 in CSV and JSON; times are UTC.
    """
    # Spark takes a second to import; other verbs need it not.
    from labelmill.spark.session import session, stop_now
    from labelmill.sql.catalogue import query as ask
    from labelmill.sql.parameters import given

    parameters = given(param or [])
    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    settings.masters()  # says what to do before Spark starts, when no Kudu is known
    spark = session("labelmill-sql", "local[2]", settings.home)
    try:
        answer = ask(spark, settings, query, snapshot, parameters=parameters)
        most = limit or (TABLE_ROWS if format is Format.table else None)
        # One more than is shown tells whether there are more.
        rows = (answer.limit(most + 1) if most else answer).toLocalIterator(prefetchPartitions=True)
        write(rows, answer.columns, format, most, sys.stdout)
    except BaseException:
        stop_now(spark)
        raise
    spark.stop()


def write(
    rows: Iterable[Sequence[Any]],
    columns: Sequence[str],
    format: Format,
    most: int | None,
    out: TextIO,
) -> None:
    """Writes rows in a format; a hint about more rows goes to stderr.

    Args:
        rows: Values in the order of `columns`.
        columns: Names.
        format: How.
        most: Rows to write; None for all.
        out: Where.
    """
    shown = _Cut(rows, most)
    if format is Format.csv:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        for row in shown:
            writer.writerow(["" if value is None else _plain(value) for value in row])
    elif format is Format.json:
        for row in shown:
            fields = {name: plain(value) for name, value in zip(columns, row, strict=True)}
            out.write(json.dumps(fields, ensure_ascii=False) + "\n")
    else:
        _as_table(columns, [[_cell(value) for value in row] for row in shown], Console(file=out))
    if shown.more:
        Console(stderr=True).print(f"first {most:,} rows; --limit N shows more", highlight=False)


def _as_table(columns: Sequence[str], rows: list[list[str]], console: Console) -> None:
    widths = [max([len(n), *(len(row[i]) for row in rows)]) for i, n in enumerate(columns)]
    table = RichTable()
    if sum(widths) + 3 * len(widths) + 1 <= console.width:
        for name in columns:
            table.add_column(escape(name), no_wrap=True)
        for row in rows:
            table.add_row(*map(escape, row))
    else:
        # Too wide to be read side by side: one line a value, one section a row.
        table.add_column("column", no_wrap=True)
        table.add_column("value", overflow="fold")
        for row in rows:
            for name, cell in zip(columns, row, strict=True):
                table.add_row(escape(name), escape(cell))
            table.add_section()
    console.print(table)


def plain(value: Any) -> Any:
    """A value as JSON has it: bytes as base64, times as ISO 8601 (UTC), rows as objects."""
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if hasattr(value, "asDict"):
        return {name: plain(item) for name, item in value.asDict().items()}
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


class _Cut:
    """The first rows; knows afterwards whether there were more."""

    def __init__(self, rows: Iterable[Sequence[Any]], most: int | None) -> None:
        self._rows, self._most, self.more = rows, most, False

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for number, row in enumerate(self._rows):
            if self._most is not None and number >= self._most:
                self.more = True
                return
            yield row


def _plain(value: Any) -> Any:
    found = plain(value)
    return json.dumps(found, ensure_ascii=False) if isinstance(found, (dict, list)) else found


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, (bytes, bytearray)):
        return f"<{len(value):,} bytes>"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(_plain(value))
