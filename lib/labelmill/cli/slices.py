"""``labelmill slice``: named slices, and the training sets that were frozen of slices."""

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
from labelmill.cli.output import Json, Masters, Prefix
from labelmill.cli.output import show as show_rows
from labelmill.errors import InputError, LabelmillError, NoData, QueryRefused, UnknownName
from labelmill.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS = 20
"""Rows in the terminal when no limit is given: enough to see what a slice is."""

Param = Annotated[
    list[str] | None,
    typer.Option("--param", help="NAME=VALUE; again for each. Numbers, true, date '…'; else text."),
]
Snapshot = Annotated[
    int | None,
    typer.Option(help="Read as of this time, milliseconds since 1970 UTC. Default: now."),
]
At = Annotated[
    str | None, typer.Option(help="Instead of --snapshot: a time such as 2026-01-31T12:00Z.")
]

app = typer.Typer(
    help="Slices: queries that training sets are made of; and the training sets.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def list_slices(as_json: Json = False) -> None:
    """List the named slices: what each is for and what it asks for (in brackets: has a default)."""
    # pipelines import Spark, which takes a second; --help need not wait.
    from labelmill.sql import named_slices

    settings = settings_module.load()
    rows = []
    for name in named_slices.names(settings):
        try:
            found = named_slices.load(name, settings)
        except InputError as error:
            rows.append({"slice": name, "parameters": [], "description": f"error: {error}"})
            continue
        asked = [p.name if p.default is None else f"[{p.name}]" for p in found.parameters]
        rows.append({"slice": name, "parameters": asked, "description": found.description})
    show_rows(rows, as_json)


def show(
    name: Annotated[str, typer.Argument(help="A named slice, or a file like it.")],
    param: Param = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows in the terminal.")] = ROWS,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a contact sheet to this HTML file.")
    ] = None,
    snapshot: Snapshot = None,
    at: At = None,
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """Show what a slice holds: its first rows, and a contact sheet to look it over by eye."""
    from labelmill.cli.sql import Format, write
    from labelmill.pipelines.slices.preview import answer_slice
    from labelmill.sql import named_slices
    from labelmill.sql import parameters as sql_parameters
    from labelmill.sql.snapshot import moment

    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    named = named_slices.load(name, settings)
    values = named.values(sql_parameters.given(param or []))
    at_ms = moment(at, snapshot)
    if sheet is not None and sheet.is_dir():
        raise InputError(f"--sheet {sheet} is a folder; give a file like {sheet / 'sheet.html'}")
    with _spark(settings) as spark:
        answer = answer_slice(spark, settings, named, values, at_ms)
        said = Console(stderr=True)
        said.print(f"{named.name}: {named.description}", markup=False, highlight=False)
        if answer.note:
            said.print(f"note: {answer.note}", markup=False, highlight=False, soft_wrap=True)
        if limit:
            # One more than is shown tells whether there are more.
            rows = answer.rows.limit(limit + 1).toLocalIterator()
            write(rows, answer.rows.columns, Format.table, limit, sys.stdout)
        if sheet is not None:
            from labelmill.pipelines.slices.contact_sheet import gather
            from labelmill.serving import contact_sheet

            try:
                found = gather(answer.rows, settings, answer.snapshot_ms)
            except NoData:
                raise NoData(f"slice {named.name!r} has no rows, so there is no sheet") from None
            made = contact_sheet.write(
                named, values, found, answer.snapshot_ms, sheet, note=answer.note
            )
            print(made.absolute())


def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Named slices or files. Default: all named ones.")
    ] = None,
    param: Param = None,
    as_json: Json = False,
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """Check slices without reading rows: do they only read, do names fit, what do they freeze to.

    A parameter that has no default and is not given counts as null. Ends with 7 when a slice is
    refused, else with 2 when one cannot be meant.
    """
    from labelmill.pipelines.slices.check import check_slice
    from labelmill.sql import named_slices
    from labelmill.sql import parameters as sql_parameters

    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    given = sql_parameters.given(param or [])
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
    show_rows(rows, as_json)
    said = Console(stderr=True)
    for name, reason in failed.items():
        said.print(f"error: {name}: {reason}", markup=False, highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(max(reason.exit_code for reason in failed.values()))
    for name in set(given) - known:
        raise UnknownName("parameter of these slices", name, known)


for _name, _function in (
    ("list", list_slices), ("show", show), ("check", check),
    ("sets", training_sets.sets), ("prune", training_sets.prune),
):  # fmt: skip
    app.command(_name)(verb(_function))


@contextlib.contextmanager
def _spark(settings: Settings) -> Iterator[SparkSession]:
    from labelmill.spark.session import session, stop_now

    settings.masters()  # says what to do before Spark starts, when no Kudu is known
    spark = session("labelmill-slice", "local[2]", settings.home)
    try:
        yield spark
    except BaseException:
        stop_now(spark)
        raise
    spark.stop()
