"""spark-submit entry point: labels a slice with one model version."""

from __future__ import annotations

from typing import Annotated

import typer

from labelmill.domain.models.decisions import DEFAULT_THRESHOLD
from labelmill.errors import InputError
from labelmill.pipelines.predict import driver
from labelmill.spark.job import Job, run_job
from labelmill.spark.report import Report


def predict_images(
    job: Job,
    model: Annotated[str, typer.Argument(help="Model name.")],
    sql: Annotated[
        str | None,
        typer.Option(
            help="Query with collection, image_id, pixels, height, width, channels and dtype."
        ),
    ] = None,
    collection: Annotated[
        str | None, typer.Option(help="Instead of --sql: all images of this collection.")
    ] = None,
    version: Annotated[
        int | None, typer.Option(help="Model version. Default: the alias's.")
    ] = None,
    alias: Annotated[
        str | None, typer.Option(help="Alias whose version labels. Default: production.")
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(
            "--threshold",
            "--bound",  # the former name
            min=0,
            max=1,
            help="Labels below this probability get the decision `review`.",
        ),
    ] = DEFAULT_THRESHOLD,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Predict and report, but write nothing.")
    ] = False,
) -> Report:
    """Label every image of a slice with one model version; writes to `labels`.

    Running it again writes the same rows. Images that the model does not accept are counted and
    skipped.
    """
    if (sql is None) == (collection is None):
        raise InputError("give either --sql or --collection")
    if version is not None and alias is not None:
        raise InputError(f"give either --version or --alias, received {version} and {alias}")
    query = sql if sql is not None else driver.collection_sql(collection or "")
    return driver.predict_images(
        job.spark(),
        job.settings,
        query,
        model,
        version,
        alias or "production",
        threshold,
        dry_run,
        job.started_ms,
    )


if __name__ == "__main__":
    run_job(
        predict_images,
        codes={
            6: "the stored model is not what was published",
            7: "the query is refused",
            10: "no image could be labelled",
        },
    )
