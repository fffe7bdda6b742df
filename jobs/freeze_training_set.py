"""spark-submit entry point: freezes a slice of the catalogue to a training set."""

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
    name: Annotated[str, typer.Argument(help="Name of the training set.")],
    sql: Annotated[
        str | None,
        typer.Option(
            help="Query with collection and image_id (or record_id), and class, classes or mask_id; "
            "split is optional. Pixels are added automatically."
        ),
    ] = None,
    slice: Annotated[
        str | None,
        typer.Option(
            help="Instead of --sql: a named slice (see `labelmill slice list`) or a slice file."
        ),
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option(
            help="Instead of --sql: all images of this collection that have a class, with the splits of "
            "their source."
        ),
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE for a :NAME in the query; may be repeated.")
    ] = None,
    snapshot: Annotated[
        int | None,
        typer.Option(
            help="Kudu snapshot, in milliseconds since 1970 UTC. Default: the start of the job."
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(help="Instead of --snapshot: a time such as 2026-01-31T12:00Z."),
    ] = None,
    location: Annotated[
        str | None,
        typer.Option(help="Parent folder or URI of the training set. Default: settings."),
    ] = None,
    fractions: Annotated[
        str,
        typer.Option(
            help="Shares of train, validation and test for rows without a split.",
            rich_help_panel=_SPLITS,
        ),
    ] = "0.8,0.1,0.1",
    validation_fraction: Annotated[
        float,
        typer.Option(
            help="Share of train to use as validation when the query gives splits but no validation "
            "split; 0: none.",
            rich_help_panel=_SPLITS,
        ),
    ] = 0.1,
    salt: Annotated[
        str,
        typer.Option(
            help="Salt of the hash that splits rows; change it for another split.",
            rich_help_panel=_SPLITS,
        ),
    ] = "",
    stratify: Annotated[
        bool,
        typer.Option(
            "--stratify",
            help="Split every class by the same shares, to within one row.",
            rich_help_panel=_SPLITS,
        ),
    ] = False,
    group_by: Annotated[
        str | None,
        typer.Option(
            help="Column of the query whose equal values stay in one split. Default: `group`, when the "
            "query has it.",
            rich_help_panel=_SPLITS,
        ),
    ] = None,
    source_splits: Annotated[
        bool,
        typer.Option(
            "--source-splits",
            help="Use the split of an image's source where the query gives none.",
            rich_help_panel=_SPLITS,
        ),
    ] = False,
    balance: Annotated[
        bool,
        typer.Option(
            "--balance",
            help="Reduce the train rows of every class to the size of the smallest class.",
            rich_help_panel=_ROWS,
        ),
    ] = False,
    limit_per_class: Annotated[
        int | None,
        typer.Option(
            help="Maximum rows per class and split, selected by hash.", rich_help_panel=_ROWS
        ),
    ] = None,
    class_list: Annotated[
        str | None,
        typer.Option(
            help="Classes in the order of their indices: a,b,c. Default: the classes of the rows, sorted.",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    no_target: Annotated[
        bool,
        typer.Option(
            "--no-target", help="Freeze images or features without a target.", rich_help_panel=_ROWS
        ),
    ] = False,
) -> Report:
    """Freeze a slice to Arrow files and a manifest, in a folder named by the rows' digest.

    The same slice at the same snapshot has the same digest and keeps its first name. Splits come
    from the query's `split` column, else from a stable hash. Columns of a query:
    docs/guides/slices.md.
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
    at_ms = job.started_ms if at_ms is None else at_ms
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
