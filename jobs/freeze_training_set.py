"""spark-submit entry point: a slice of the catalogue to a training set."""

from __future__ import annotations

from typing import Annotated

import typer

from labelmill.domain.splits.assign import Division
from labelmill.errors import InputError
from labelmill.pipelines.freeze.driver import freeze
from labelmill.pipelines.freeze.request import freeze_query
from labelmill.spark.job import Job, run_job
from labelmill.spark.report import Report
from labelmill.sql.parameters import parse_options
from labelmill.sql.snapshot import parse_snapshot
from labelmill.training_sets.assembly.options import Options

_SPLITS, _ROWS = "Splits", "Rows and classes"


def freeze_training_set(
    job: Job,
    name: Annotated[str, typer.Argument(help="What people call the training set.")],
    sql: Annotated[
        str | None,
        typer.Option(
            help="Query with collection and image_id (or record_id), and class, classes or mask_id; "
            "split, if wanted. Pixels come by themselves."
        ),
    ] = None,
    slice: Annotated[
        str | None,
        typer.Option(help="Instead of --sql: a named slice (`labelmill slice list`) or a file."),
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option(
            help="Instead of --sql: all images of it that have a truth, split as their source said."
        ),
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of a :NAME in the query; repeatable.")
    ] = None,
    snapshot: Annotated[
        int | None, typer.Option(help="Kudu snapshot, milliseconds since 1970 UTC. Default: now.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(help="Instead of --snapshot: a time such as 2026-01-31T12:00Z."),
    ] = None,
    location: Annotated[
        str | None, typer.Option(help="Folder or URI below which it goes. Default: settings.")
    ] = None,
    fractions: Annotated[
        str,
        typer.Option(
            help="Train, validation, test for rows without a split.", rich_help_panel=_SPLITS
        ),
    ] = "0.8,0.1,0.1",
    validation_fraction: Annotated[
        float,
        typer.Option(
            help="Cut off train when splits are given and none is validation; 0: never.",
            rich_help_panel=_SPLITS,
        ),
    ] = 0.1,
    salt: Annotated[
        str, typer.Option(help="Another salt gives another hash split.", rich_help_panel=_SPLITS)
    ] = "",
    stratify: Annotated[
        bool,
        typer.Option("--stratify", help="Exact shares of every class.", rich_help_panel=_SPLITS),
    ] = False,
    group_by: Annotated[
        str | None,
        typer.Option(
            help="A column of the query: rows with equal values stay in one split. Default: `group`, "
            "where the query gives it.",
            rich_help_panel=_SPLITS,
        ),
    ] = None,
    source_splits: Annotated[
        bool,
        typer.Option(
            "--source-splits",
            help="Take the split from images where the query gives none.",
            rich_help_panel=_SPLITS,
        ),
    ] = False,
    balance: Annotated[
        bool,
        typer.Option(
            "--balance",
            help="Cut train rows of every class down to the smallest class.",
            rich_help_panel=_ROWS,
        ),
    ] = False,
    limit_per_class: Annotated[
        int | None,
        typer.Option(
            help="Rows of each class in each split, at most, drawn by hash.", rich_help_panel=_ROWS
        ),
    ] = None,
    class_list: Annotated[
        str | None,
        typer.Option(
            help="Classes in the order of their indices: a,b,c. Default: those that occur, sorted.",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    no_target: Annotated[
        bool,
        typer.Option("--no-target", help="Freeze images or features alone.", rich_help_panel=_ROWS),
    ] = False,
) -> Report:
    """Freeze a slice: Arrow files and a manifest below a folder named by the rows' digest.

    The same slice at the same snapshot is the same digest, and keeps its first name. Splits are the
    query's `split`, else a stable hash. What a query may give: docs/guides/slices.md.
    """
    query = freeze_query(job.settings, sql, slice, collection, parse_options(param or []))
    options = Options(
        division=Division(_shares(fractions), validation_fraction, salt, stratify),
        group_by=group_by,
        balance=balance,
        limit_per_class=limit_per_class,
        class_list=_classes(class_list),
        no_target=no_target,
        source_splits=source_splits or query.source_splits,
    )
    at_ms = parse_snapshot(at, snapshot)
    return freeze(
        job.spark(), job.settings, query.sql, name, options, query.parameters, at_ms, location
    )


def _shares(text: str) -> tuple[float, float, float]:
    try:
        train, validation, test = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--fractions {text!r}; expected three numbers like 0.8,0.1,0.1") from None
    return train, validation, test


def _classes(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(","))


if __name__ == "__main__":
    run_job(freeze_training_set, codes={7: "the query is refused"})
