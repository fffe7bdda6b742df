"""spark-submit entry point: model versions measured on a slice."""

from __future__ import annotations

from typing import Annotated

import typer

from labelmill.pipelines.evaluate.driver import Slice, evaluate
from labelmill.spark.job import Job, run_job
from labelmill.spark.report import Report


def evaluate_models(
    job: Job,
    model: Annotated[str, typer.Argument(help="Model name.")],
    max_error: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Acceptable error (1 - accuracy), stated first."),
    ] = None,
    sql: Annotated[
        str | None,
        typer.Option(help="Slice: a query with class and the columns of predict_images."),
    ] = None,
    snapshot: Annotated[
        int | None, typer.Option(help="Of --sql: Kudu snapshot, milliseconds since 1970 UTC.")
    ] = None,
    training_set: Annotated[
        str | None, typer.Option(help="Slice: a training set by name, digest or folder.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split of --training-set.")] = "test",
    versions: Annotated[
        str, typer.Option(help="all, best:N (by validation in their sweeps), or numbers 1,2.")
    ] = "all",
    promote: Annotated[
        bool,
        typer.Option(
            "--promote", help="Move the alias to the accepted version best by validation."
        ),
    ] = False,
    alias: Annotated[str, typer.Option(help="Alias that --promote moves.")] = "production",
) -> Report:
    """Measure model versions on a slice: accuracy, precision, recall, F1, confusion, verdict.

    Of several accepted versions --promote takes the one with the best metric of its sweep, not the
    best on this slice, whose figures would otherwise be too good.
    """
    on = Slice(sql, snapshot, training_set, split)
    return evaluate(job.spark(), job.settings, model, on, versions, max_error, promote, alias)


if __name__ == "__main__":
    run_job(
        evaluate_models,
        codes={
            6: "a stored model is not what was published",
            7: "the query is refused",
            8: "no version holds the acceptable error",
        },
    )
