"""Output of commands, as a table for people or JSON lines for programs, and their common flags."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from labelmill.cli.row_formats import plain, shown_time

Masters = Annotated[
    str | None, typer.Option(help="Kudu masters, HOST:PORT[,…]. Default: settings.")
]
Prefix = Annotated[str | None, typer.Option(help="Prefix of the Kudu tables. Default: settings.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
Snapshot = Annotated[
    int | None,
    typer.Option(help="Read as of this time, in milliseconds since 1970 UTC. Default: now."),
]


def print_rows(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Prints rows that have the same keys; prints ``none`` when there are no rows.

    Args:
        rows: Values by column; a table shows None and ``""`` as a dash, lists as lines.
        as_json: Print one JSON object per line; see `labelmill.cli.row_formats.plain`.
    """
    if as_json:
        for row in rows:
            print(json.dumps(plain(dict(row)), ensure_ascii=False))
        return
    if not rows:
        print("none")
        return
    table = RichTable()
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row.values()))
    Console().print(table)


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "\n".join(map(str, value)) or "–"
    return shown_time(value.replace(microsecond=0)) if isinstance(value, datetime) else str(value)
