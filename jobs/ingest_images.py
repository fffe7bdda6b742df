"""spark-submit entry point: a heap of images into the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer

from labelmill.pipelines.ingest.driver import IngestOptions, ingest
from labelmill.spark.job import Job, run_job
from labelmill.spark.report import Report


def ingest_images(
    job: Job,
    source: Annotated[
        str,
        typer.Argument(
            help="Folder, archive (.tar .tar.gz .zip), IDX file, manifest (.csv .parquet), URI "
            "(hdfs://…, s3://…) or kafka:TOPIC."
        ),
    ],
    collection: Annotated[str, typer.Option(help="Name that this heap of images gets.")],
    labels: Annotated[
        str,
        typer.Option(
            help="Where classes come from: folder, none, or a pattern for file names such as "
            "'{class}.{number}.png'; other names in braces become attributes."
        ),
    ] = "folder",
    uri: Annotated[
        str,
        typer.Option(
            help="For a manifest without a column of paths: how a path is made of its columns, such as "
            "'train/{id}.png'."
        ),
    ] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many files.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and decode everything, write nothing.")
    ] = False,
    fail_over: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="Fail when more than this per cent is quarantined."),
    ] = None,
) -> Report:
    """Images of a heap into `images` and `annotations`; bad files into `quarantine`.

    PNG, PGM, PPM and PAM files. The class is the parent folder's name (CLASS/1.png) unless --labels
    says otherwise or the source names it, the split the first folder's (train/, test/, validation/).
    A second run of the same heap adds nothing; a run that was killed is run again.
    """
    options = IngestOptions(limit, fail_over, labels, dry_run, uri)
    return ingest(job.spark(), job.settings, source, collection, options)


if __name__ == "__main__":
    run_job(
        ingest_images,
        codes={
            5: "Kafka: unreachable, or no such topic",
            8: "more files quarantined than --fail-over",
            10: "all files quarantined",
        },
    )
