"""spark-submit entry point: what a collection holds, and where it deviates from what was expected."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelmill.pipelines.profile import driver as profile
from labelmill.pipelines.profile.plan import DISTANCE, LIKENESS, ProfilePlan
from labelmill.pipelines.profile.schema_file import check_writable, write_schema
from labelmill.spark.job import Job, run_job
from labelmill.spark.report import Report


def profile_collection(
    job: Job,
    collection: Annotated[str, typer.Argument(help="Collection to look at.")],
    against: Annotated[
        str | None,
        typer.Option(
            help="Compare with: latest (this collection's newest accepted profile), letters of a "
            "profile's digest, another collection's name, or a schema's FILE.json."
        ),
    ] = None,
    fail_on_deviation: Annotated[
        bool,
        typer.Option("--fail-on-deviation", help="End with 8 when a deviation is an error."),
    ] = False,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="From now on this is what `latest` means."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="HTML page to write: one file, opens offline.")
    ] = None,
    schema: Annotated[
        Path | None,
        typer.Option(help="Write the inferred schema to this FILE.json, to keep and edit."),
    ] = None,
    snapshot: Annotated[
        int | None, typer.Option(help="Kudu snapshot, milliseconds since 1970 UTC. Default: now.")
    ] = None,
    distance: Annotated[
        int,
        typer.Option(min=0, max=8, help="Near duplicates: bits in which hashes may differ."),
    ] = DISTANCE,
    likeness: Annotated[
        float, typer.Option(min=0, max=1, help="Near duplicates: least likeness of thumbnails.")
    ] = LIKENESS,
) -> Report:
    """Sizes, classes, brightness, duplicates, leaks and outliers of a collection, into `profiles`.

    With --against, says what deviates from what was there before: new and missing classes, shares,
    sizes, channels, brightness, duplicates. The same images give the same profile and digest.
    """
    for path, flag in ((out, "--out"), (schema, "--schema")):
        if path is not None:
            check_writable(path, flag)
    plan = ProfilePlan(collection, against, accept, fail_on_deviation, snapshot, distance, likeness)
    report, profiled = profile.profile_collection(job.spark(), job.settings, plan)
    if schema is not None:
        write_schema(profiled.schema, schema)
        report.put("schema", str(schema.absolute()))
    if out is not None:
        # matplotlib and jinja take a moment to import; without a page they are not needed.
        from labelmill.serving import profile_page

        report.put("page", str(profile_page.write(profiled, out).absolute()))
    return report


if __name__ == "__main__":
    run_job(profile_collection, codes={8: "a deviation is an error, with --fail-on-deviation"})
