"""spark-submit entry point: PNG files into the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer

from labelmill.pipelines.ingest import ingest
from labelmill.pipelines.job import Job, run_job
from labelmill.pipelines.report import Report


def ingest_images(
    job: Job,
    source: Annotated[
        str, typer.Argument(help="Folder, .tar, .tar.gz, .tgz, or pyarrow.fs URI of a folder.")
    ],
    collection: Annotated[str, typer.Option(help="Name that this heap of images gets.")],
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many files.")] = None,
    fail_over: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="Fail when more than this per cent is quarantined."),
    ] = None,
) -> Report:
    """PNG files of a folder or archive into `images` and `annotations`; bad files into `quarantine`.

    The class is the parent folder's name (CLASS/1.png), the split the first folder's (train/,
    test/, validation/). A second run of the same heap adds nothing; a run that was killed is run
    again.
    """
    return ingest(job.spark(), job.settings, source, collection, limit, fail_over)


if __name__ == "__main__":
    run_job(
        ingest_images,
        codes={8: "more files quarantined than --fail-over", 10: "all files quarantined"},
    )
