"""``labelmill sql``: read-only SQL over the catalogue, as a table, CSV or JSON lines."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from labelmill import settings as settings_module
from labelmill.cli.output import Masters, Prefix, Snapshot
from labelmill.cli.row_formats import Format, write_rows

TABLE_ROWS = 100
"""Most rows of a table by default; CSV and JSON have no default limit."""


def sql(
    query: Annotated[str, typer.Argument(help='One query, for example "select * from images".')],
    format: Annotated[
        Format, typer.Option(help="table, csv, or json (one object per line).")
    ] = Format.table,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Maximum number of rows to write. Default: {TABLE_ROWS} for a table, all for CSV and JSON.",
        ),
    ] = None,
    snapshot: Snapshot = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Value of a :NAME in the query; may be repeated. A number, true, false, null, "
            "date '…' or timestamp '…' (UTC); anything else is text, as is a value in quotes '…'.",
        ),
    ] = None,
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """Query the catalogue with read-only SQL.

    Every table is a view; `truth` and `truth_conflicts` are views too. Binary values are shown by
    their size in a table and as base64 in CSV and JSON. Times are
    UTC, with a Z.
    """
    # Spark takes a second to import, and other commands do not need it.
    from labelmill.spark.row_times import utc_reader
    from labelmill.spark.session import session, stop_now
    from labelmill.sql import catalogue
    from labelmill.sql.parameters import parse_options
    from labelmill.sql.snapshot import resolve_snapshot, wait_for_snapshot

    parameters = parse_options(param or [])
    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    # One moment for all tables of the query. While Spark starts, it settles.
    at = resolve_snapshot(snapshot)
    settings.masters()  # fails before Spark starts when no Kudu is known
    spark = session("labelmill-sql", "local[2,4]", settings.home)
    try:
        wait_for_snapshot(at, settings)
        answer = catalogue.query(spark, settings, query, at, parameters=parameters)
        limit = limit or (TABLE_ROWS if format is Format.table else None)
        # One row more than is shown, to know whether there are more.
        rows = (answer.limit(limit + 1) if limit else answer).toLocalIterator(
            prefetchPartitions=True
        )
        read = utc_reader(answer.schema)
        write_rows(map(read, rows), answer.columns, format, limit, sys.stdout)
    except BaseException:
        stop_now(spark)
        raise
    spark.stop()
