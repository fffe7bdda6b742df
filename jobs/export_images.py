"""spark-submit entry point: exports a slice of the catalogue as image files."""

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
            help="Query with collection and image_id; class, split, uri, source_time and attributes are "
            "optional.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            help="Output folder that all workers can reach, or a URI. New, empty, or holding an export "
            "of the same slice."
        ),
    ],
    format: Annotated[
        str,
        typer.Option(help="png; netpbm (PGM, PPM or PAM, depending on channels); or npy (NumPy)."),
    ] = "png",
    layout: Annotated[
        str,
        typer.Option(
            help="File names. class: [SPLIT/]CLASS/IMAGE_ID.png; uri: as in the source; id: IMAGE_ID.png."
        ),
    ] = "class",
    limit: Annotated[
        int | None, typer.Option(help="Export at most this many rows, the first by image id.")
    ] = None,
    snapshot: Annotated[
        int | None,
        typer.Option(
            help="Kudu snapshot, in milliseconds since 1970 UTC. Default: now, or the snapshot of the "
            "export to continue."
        ),
    ] = None,
) -> Report:
    """Write the images of a slice as files with exactly the stored pixels, and a manifest.csv.

    The manifest is written last and can be ingested again, with the same classes, splits, times and
    attributes. If the export is interrupted, run it again: it continues and writes the same files.
    """
    for kind, given, known in (("format", format, Format), ("layout", layout, Layout)):
        if given not in get_args(known):
            raise UnknownName(kind, given, get_args(known))
    options = ExportOptions(format, layout, limit, snapshot)  # type: ignore[arg-type]
    return export(job.spark(), job.settings, sql, out, options)


if __name__ == "__main__":
    run_job(export_images, codes={7: "the query is refused"})
