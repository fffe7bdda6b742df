"""spark-submit entry point: a slice of the catalogue back to image files."""

from __future__ import annotations

from typing import Annotated, get_args

import typer

from labelmill.errors import UnknownName
from labelmill.pipelines.export.driver import ExportOptions, export
from labelmill.pipelines.export.file_names import Format, Layout
from labelmill.spark.job import Job, run_job
from labelmill.spark.report import Report


def export_images(
    job: Job,
    sql: Annotated[
        str,
        typer.Argument(
            help="Query with collection, image_id[, class, split, uri, source_time, attributes].",
            show_default=False,
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            help="Folder that all workers see, or URI: new, empty, or an export of the same slice."
        ),
    ],
    format: Annotated[
        str, typer.Option(help="png; netpbm: PGM, PPM or PAM by channels; npy: NumPy.")
    ] = "png",
    layout: Annotated[
        str,
        typer.Option(
            help="Names of the files. class: [SPLIT/]CLASS/IMAGE_ID.png; uri: as they came; id: by id."
        ),
    ] = "class",
    limit: Annotated[
        int | None, typer.Option(help="At most so many rows, the first by image id.")
    ] = None,
    snapshot: Annotated[
        int | None,
        typer.Option(
            help="Kudu snapshot, milliseconds since 1970 UTC. Default: now, or that of the export to "
            "go on with."
        ),
    ] = None,
) -> Report:
    """Write the images of a slice as files, exactly the stored pixels, and a manifest.csv.

    The manifest comes last and can be ingested again: same classes, splits, times and attributes.
    Killed and run again, the export goes on and ends in the same files.
    """
    for kind, given, known in (("format", format, Format), ("layout", layout, Layout)):
        if given not in get_args(known):
            raise UnknownName(kind, given, get_args(known))
    options = ExportOptions(format, layout, limit, snapshot)  # type: ignore[arg-type]
    return export(job.spark(), job.settings, sql, out, options)


if __name__ == "__main__":
    run_job(export_images, codes={7: "the query is refused"})
