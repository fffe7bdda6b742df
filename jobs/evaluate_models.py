"""spark-submit entry point: measures model versions on a slice."""

from __future__ import annotations

from typing import Annotated

import typer

from labelmill.domain.models.promotion import NO_WORSE, PROMOTE_IF
from labelmill.pipelines.evaluate.driver import DEFAULT_ALIAS, evaluate
from labelmill.pipelines.evaluate.slice_rows import Slice
from labelmill.spark.job import Job, run_job
from labelmill.spark.report import Report


def evaluate_models(
    job: Job,
    model: Annotated[str, typer.Argument(help="Model name.")],
    max_error: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Acceptable error (1 - accuracy). Default: measure without a verdict.",
        ),
    ] = None,
    sql: Annotated[
        str | None,
        typer.Option(
            help="Slice to measure on: a query with class and the columns that predict_images needs."
        ),
    ] = None,
    snapshot: Annotated[
        int | None,
        typer.Option(
            help="Kudu snapshot that --sql reads, in milliseconds since 1970 UTC. Default: the start of the job."
        ),
    ] = None,
    training_set: Annotated[
        str | None,
        typer.Option(
            help="Instead of --sql: a training set, by name (its latest), digest or folder."
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split of --training-set to measure on. Default: test.")
    ] = None,
    versions: Annotated[
        str,
        typer.Option(
            help="all; best:N, the N best by the metric of their sweep; or numbers such as 1,2."
        ),
    ] = "all",
    promote: Annotated[
        bool,
        typer.Option(
            "--promote",
            help="Move the alias to the best accepted version, by validation. Needs --max-error.",
        ),
    ] = False,
    promote_if: Annotated[
        str | None,
        typer.Option(
            help="With --promote, when the alias points to a version already: a version is accepted "
            "only if… "
            + "; ".join(f"{name}: {what}" for name, what in PROMOTE_IF.items())
            + f". Default: {NO_WORSE}."
        ),
    ] = None,
    alias: Annotated[
        str | None,
        typer.Option(help=f"Alias that --promote moves. Default: {DEFAULT_ALIAS}."),
    ] = None,
) -> Report:
    """Measure model versions on a slice.

    Reports accuracy, precision, recall, F1, the confusion matrix and a verdict. Of several accepted
    versions, --promote takes the one with the best metric of its sweep, not the one that is best on
    this slice: selecting by the slice would make its figures too good. The version that the alias
    points to is measured on the same images in the same pass; --promote-if says how the others must
    compare with it. What was measured before on the same slice is not measured again.
    """
    if sql is not None and training_set is None and snapshot is None:
        snapshot = job.started_ms
    on = Slice(sql, snapshot, training_set, split)
    return evaluate(
        job.spark(), job.settings, model, on, versions, max_error, promote, alias, promote_if
    )


if __name__ == "__main__":
    run_job(
        evaluate_models,
        codes={
            6: "a stored model is not what was published",
            7: "the query is refused",
            8: "no version is accepted; the alias stays where it is",
        },
    )
