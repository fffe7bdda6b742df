"""spark-submit entry point: ingests a source of images into the catalogue."""

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
    collection: Annotated[str, typer.Option(help="Collection that the images belong to.")],
    labels: Annotated[
        str,
        typer.Option(
            help="Where classes come from: folder, none, or a pattern of file names such as "
            "'{class}.{number}.png'. Other names in braces become attributes. Default: folder; for a "
            "manifest: none."
        ),
    ] = "",
    label_columns: Annotated[
        str,
        typer.Option(
            help="For a manifest with a column a class: A,B,… are the columns; the one that holds 1 is the class."
        ),
    ] = "",
    normalise_classes: Annotated[
        bool,
        typer.Option(
            "--normalise-classes",
            help="Make classes one that differ only in spaces around them, or in how letters are composed.",
        ),
    ] = False,
    uri: Annotated[
        str,
        typer.Option(
            help="For a manifest without a path column: a pattern that builds the path from its "
            "columns, such as 'train/{id}.png'."
        ),
    ] = "",
    transpose: Annotated[
        bool,
        typer.Option(
            "--transpose", help="For IDX: exchange rows and columns of each image, as EMNIST needs."
        ),
    ] = False,
    mapping: Annotated[
        str,
        typer.Option(
            help="For IDX: a file of lines LABEL CODE; the character of the code is the class (EMNIST's mapping)."
        ),
    ] = "",
    zip_encoding: Annotated[
        str,
        typer.Option(
            help="For .zip: how names are encoded that the archive does not say to be UTF-8, such as gbk."
        ),
    ] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Read at most this many files.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and decode everything, write nothing.")
    ] = False,
    fail_over: Annotated[
        float | None,
        typer.Option(
            min=0, max=100, help="Fail when more than this percentage of the files is quarantined."
        ),
    ] = None,
) -> Report:
    """Ingest images into `images` and `annotations`; files that cannot be read go to `quarantine`.

    Reads PNG, PBM, PGM, PPM, PAM and IDX files. The class is the name of the parent folder (CLASS/1.png)
    unless the source or --labels says otherwise; the split is a folder so named (train/, test/,
    validation/). Ingesting the same source again adds nothing. If a run is interrupted, run it
    again.
    """
    columns = tuple(name for name in label_columns.split(",") if name)
    options = IngestOptions(
        limit,
        fail_over,
        labels,
        dry_run,
        uri,
        columns,
        normalise_classes,
        transpose,
        mapping,
        zip_encoding,
    )
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
