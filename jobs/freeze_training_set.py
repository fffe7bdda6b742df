"""spark-submit entry point: a slice of the catalogue to a training set."""

from __future__ import annotations

from typing import Annotated

import typer

from labelmill.errors import InputError
from labelmill.pipelines.freeze import default_sql, freeze
from labelmill.pipelines.job import Job, run_job
from labelmill.pipelines.report import Report


def freeze_training_set(
    job: Job,
    name: Annotated[str, typer.Argument(help="What people call the training set.")],
    sql: Annotated[
        str | None,
        typer.Option(
            help="Query with collection, image_id, class, pixels, height, width, channels, dtype[, split]."
        ),
    ] = None,
    collection: Annotated[
        str | None, typer.Option(help="Instead of --sql: all images of it that have a truth.")
    ] = None,
    snapshot: Annotated[
        int | None, typer.Option(help="Kudu snapshot, milliseconds since 1970 UTC. Default: now.")
    ] = None,
    location: Annotated[
        str | None, typer.Option(help="Folder or URI below which it goes. Default: settings.")
    ] = None,
    fractions: Annotated[
        str, typer.Option(help="Train, validation, test for rows without a split.")
    ] = "0.8,0.1,0.1",
    validation_fraction: Annotated[
        float,
        typer.Option(help="Cut off train when splits are given and none is validation; 0: never."),
    ] = 0.1,
    salt: Annotated[str, typer.Option(help="Another salt gives another hash split.")] = "",
) -> Report:
    """Freeze a slice: Arrow files and a manifest below a folder named by the rows' digest.

    The same slice frozen twice is the same digest, and keeps its first name. Splits are the query's `split`, else a stable
    hash of image_id.
    """
    if (sql is None) == (collection is None):
        raise InputError("give either --sql or --collection")
    try:
        train, validation, test = (float(part) for part in fractions.split(","))
    except ValueError:
        raise InputError(
            f"--fractions {fractions!r}; expected three numbers like 0.8,0.1,0.1"
        ) from None
    return freeze(
        job.spark(),
        job.settings,
        sql if sql is not None else default_sql(collection or ""),
        name,
        snapshot_ms=snapshot,
        location=location,
        fractions=(train, validation, test),
        validation_fraction=validation_fraction,
        salt=salt,
    )


if __name__ == "__main__":
    run_job(freeze_training_set, codes={7: "the query is refused"})
