"""``labelmill slice``: named slices, and the training sets that were frozen from slices."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from labelmill import settings as settings_module
from labelmill.cli import training_sets
from labelmill.cli.exit_codes import verb
from labelmill.cli.output import Json, Masters, Prefix, Snapshot, print_rows
from labelmill.cli.row_formats import Format, write_rows
from labelmill.errors import InputError, LabelmillError, NoData, QueryRefused, UnknownName
from labelmill.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS = 20
"""Rows shown by default, enough to see what a slice is."""

Param = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        help="NAME=VALUE; may be repeated. Numbers, true, date '…'; anything else is text.",
    ),
]
At = Annotated[
    str | None, typer.Option(help="Instead of --snapshot: a time such as 2026-01-31T12:00Z.")
]

app = typer.Typer(
    help="Work with named slices and training sets.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def list_slices(as_json: Json = False) -> None:
    """List named slices and their parameters.

    Parameters that have a default are in brackets.
    """
    # These modules import Spark, which takes a second that --help should not need.
    from labelmill.sql import named_slices

    settings = settings_module.load()
    rows = []
    for name in named_slices.names(settings):
        try:
            found = named_slices.load(name, settings)
        except InputError as error:
            rows.append({"slice": name, "parameters": [], "description": f"error: {error}"})
            continue
        parameters = [p.name if p.default is None else f"[{p.name}]" for p in found.parameters]
        rows.append({"slice": name, "parameters": parameters, "description": found.description})
    print_rows(rows, as_json)


def show(
    name: Annotated[str, typer.Argument(help="Named slice, or a slice file.")],
    param: Param = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows to show in the terminal.")] = ROWS,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a contact sheet to this HTML file.")
    ] = None,
    snapshot: Snapshot = None,
    at: At = None,
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """Show the first rows of a slice.

    With --sheet, also writes a contact sheet of its images, to inspect them by eye.
    """
    from labelmill.pipelines.slices.preview import preview_slice
    from labelmill.spark.row_times import utc_reader
    from labelmill.sql import named_slices
    from labelmill.sql.parameters import parse_options
    from labelmill.sql.snapshot import parse_snapshot

    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    named = named_slices.load(name, settings)
    values = named.values(parse_options(param or []))
    at_ms = parse_snapshot(at, snapshot)
    if sheet is not None and sheet.is_dir():
        raise InputError(f"--sheet {sheet} is a folder; give a file like {sheet / 'sheet.html'}")
    with _spark(settings) as spark:
        answer = preview_slice(spark, settings, named, values, at_ms)
        stderr = Console(stderr=True)
        stderr.print(f"{named.name}: {named.description}", markup=False, highlight=False)
        if answer.note:
            stderr.print(f"note: {answer.note}", markup=False, highlight=False, soft_wrap=True)
        if limit:
            # One row more than is shown, to know whether there are more.
            shown = answer.rows.limit(limit + 1).toLocalIterator()
            read = utc_reader(answer.rows.schema)
            write_rows(map(read, shown), answer.rows.columns, Format.table, limit, sys.stdout)
        if sheet is not None:
            from labelmill.pipelines.slices.contact_sheet import read_sheet
            from labelmill.serving import contact_sheet

            try:
                found = read_sheet(answer.rows, settings, answer.snapshot_ms)
            except NoData:
                raise NoData(f"slice {named.name!r} has no rows, so no sheet was written") from None
            written = contact_sheet.write(
                named, values, found, answer.snapshot_ms, sheet, note=answer.note
            )
            print(written.absolute())


def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Named slices or slice files. Default: all named slices."),
    ] = None,
    param: Param = None,
    as_json: Json = False,
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """Check slices without reading rows.

    Checks that they only read and that names exist, and shows what they freeze to. A parameter
    without a value and a default is null. Ends with exit code 7 when a slice is refused, else with
    2 when one is invalid.
    """
    from labelmill.pipelines.slices.check import check_slice
    from labelmill.sql import named_slices
    from labelmill.sql.parameters import parse_options

    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    given = parse_options(param or [])
    rows: list[dict[str, object]] = []
    failed: dict[str, LabelmillError] = {}
    known: set[str] = set()
    with _spark(settings) as spark:
        for name in names or named_slices.names(settings):
            try:
                named = named_slices.load(name, settings)
                known |= {parameter.name for parameter in named.parameters}
                found = check_slice(spark, settings, named, given)
            except (InputError, QueryRefused) as error:
                failed[name] = error
                continue
            columns = [f"{column} {kind}" for column, kind in found.columns.items()]
            rows.append({"slice": name, "freezes_to": found.freezes_to, "columns": columns})
    print_rows(rows, as_json)
    stderr = Console(stderr=True)
    for name, reason in failed.items():
        stderr.print(f"error: {name}: {reason}", markup=False, highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(max(reason.exit_code for reason in failed.values()))
    for name in set(given) - known:
        raise UnknownName("parameter of these slices", name, known)


for _name, _function in (
    ("list", list_slices), ("show", show), ("check", check),
    ("sets", training_sets.sets),
):  # fmt: skip
    app.command(_name)(verb(_function))


@contextlib.contextmanager
def _spark(settings: Settings) -> Iterator[SparkSession]:
    from labelmill.spark.session import session, stop_now

    settings.masters()  # fails before Spark starts when no Kudu is known
    spark = session("labelmill-slice", "local[2,4]", settings.home)
    try:
        yield spark
    except BaseException:
        stop_now(spark)
        raise
    spark.stop()
