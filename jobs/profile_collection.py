"""spark-submit entry point: profiles a collection and reports deviations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelmill.pipelines.profile import driver
from labelmill.pipelines.profile.plan import DISTANCE, LIKENESS, ProfilePlan
from labelmill.pipelines.profile.schema_file import check_writable, write_schema
from labelmill.spark.job import Job, run_job
from labelmill.spark.report import Report


def profile_collection(
    job: Job,
    collection: Annotated[str, typer.Argument(help="Collection to profile.")],
    against: Annotated[
        str | None,
        typer.Option(
            help="Compare with: latest (the newest accepted profile of this collection), the first "
            "digits of a profile's digest, another collection, or a schema FILE.json."
        ),
    ] = None,
    fail_on_deviation: Annotated[
        bool,
        typer.Option(
            "--fail-on-deviation", help="End with exit code 8 when a deviation is an error."
        ),
    ] = False,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Accept this profile: it becomes `latest`."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write an HTML page: one file that works offline.")
    ] = None,
    schema: Annotated[
        Path | None,
        typer.Option(help="Write the inferred schema to this FILE.json, which you can edit."),
    ] = None,
    snapshot: Annotated[
        int | None,
        typer.Option(
            help="Kudu snapshot, in milliseconds since 1970 UTC. Default: the start of the job."
        ),
    ] = None,
    distance: Annotated[
        int,
        typer.Option(
            min=0,
            max=8,
            help="Near duplicates: maximum number of differing bits of perceptual hashes.",
        ),
    ] = DISTANCE,
    likeness: Annotated[
        float, typer.Option(min=0, max=1, help="Near duplicates: lowest similarity of thumbnails.")
    ] = LIKENESS,
) -> Report:
    """Profile a collection: sizes, classes, brightness, duplicates, leaks and outliers.

    With --against, reports what deviates: new and missing classes, shares, sizes, channels,
    brightness, duplicates. The same images give the same profile and digest. Writes to `profiles`.
    """
    for path, flag in ((out, "--out"), (schema, "--schema")):
        if path is not None:
            check_writable(path, flag)
    at = job.started_ms if snapshot is None else snapshot
    plan = ProfilePlan(collection, against, accept, fail_on_deviation, at, distance, likeness)
    report, profiled = driver.profile_collection(job.spark(), job.settings, plan)
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
