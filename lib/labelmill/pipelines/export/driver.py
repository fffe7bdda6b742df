"""export: a slice of the catalogue back to image files, with a manifest that can be ingested again.

Workers fetch pixels and write the files; the driver writes `MANIFEST` last, sorted. The folder belongs
to one slice: query, snapshot, format, layout, limit. Killed and run again, the export goes on at the
same snapshot and ends in the same files.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv as pacsv
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.domain.splits.hashing import SPLITS_SHOWN
from labelmill.errors import InputError, LabelmillError, MissingRow, NoData
from labelmill.pipelines.export.file_names import MANIFEST, Format, Layout
from labelmill.pipelines.export.output_folder import Claim, Place
from labelmill.pipelines.export.selection import asked_for, with_clashes, with_shapes
from labelmill.pipelines.export.worker import EXPORTED, Exporting, why_not_written
from labelmill.settings import Settings
from labelmill.sources.manifest.columns import ABOUT_FILES
from labelmill.spark.arrow import struct_type
from labelmill.spark.errors import our_errors
from labelmill.spark.progress import SparkProgress
from labelmill.spark.report import Report
from labelmill.sql.snapshot import settled

COLUMNS = ["uri", "label", "split", "source_time", "attributes", *ABOUT_FILES]
"""Of the manifest."""

_TASK_BYTES, _TASK_ROWS = 128 << 20, 2000
"""A task is about so large, so that progress moves; a small slice has one for each slot."""

_WHOLE = ("written", "there", "replaced", "shared")


@dataclass(frozen=True)
class ExportOptions:
    """What a user says beyond query and folder.

    Attributes:
        format: ``png``; ``netpbm``: PGM, PPM or PAM by channels; ``npy``: NumPy, ``(H, W, C)``.
        layout: ``class``: ``[SPLIT/]CLASS/IMAGE_ID.png``; ``uri``: the image's own path; ``id``:
            by image id.
        limit: At most so many rows, the first by image id.
        snapshot_ms: Milliseconds since 1970 UTC; default now, or that of the export to go on with.
    """

    format: Format = "png"
    layout: Layout = "class"
    limit: int | None = None
    snapshot_ms: int | None = None


def export(
    spark: SparkSession,
    settings: Settings,
    sql: str,
    out: str,
    options: ExportOptions | None = None,
) -> Report:
    """Writes a slice as image files.

    Args:
        spark: The session.
        settings: Where Kudu is.
        sql: A query with ``collection`` and ``image_id``; ``class``, ``split``, ``uri``,
            ``source_time`` and ``attributes`` go along. Must be repeatable.
        out: Folder that all workers see, or a `pyarrow.fs` URI: new, empty, or an export of the same.
        options: What is not as usual.

    Returns:
        The report: ``rows``, ``written``, ``already_there``, ``replaced``, ``missing``, ``bytes``,
        ``files_per_second``; failed when pixels are missing.

    Raises:
        QueryRefused: The query does more than read, or would not answer the same again.
        InputError: The folder holds something else or is not seen by a worker; a query that does
            not fit.
        NoData: The slice has no rows.
        LabelmillError: A file could not be written: the disk is full, for example.
    """
    options = options or ExportOptions()
    if options.limit is not None and options.limit < 1:
        raise InputError(f"--limit {options.limit}; expected 1 or more")
    place = Place(out if "://" in out else os.path.abspath(out))
    report = Report("export_images")
    claim = _claimed(place, sql, options)
    fresh = claim is None
    claim = claim or _claim(sql, options)
    with SparkProgress(spark, f"export to {out}", unit="files") as progress, ExitStack() as done:
        progress.advance(0, text="reading the slice")
        wanted = asked_for(spark, settings, claim).persist(StorageLevel.MEMORY_AND_DISK)
        settled(claim.snapshot_ms)  # nothing was read yet: what is refused needs no waiting
        done.callback(wanted.unpersist)
        shaped = with_shapes(wanted, settings, claim).persist(StorageLevel.MEMORY_AND_DISK)
        done.callback(shaped.unpersist)
        rows, size = _looked_over(shaped)
        if fresh:
            place.take(claim)
        exporting = Exporting(settings, place.out, claim, options.format, options.layout, fresh)
        tasks = max(rows // _TASK_ROWS, size // _TASK_BYTES, spark.sparkContext.defaultParallelism)
        tasks = min(tasks, rows, 100_000)
        named = with_clashes(shaped, options.format, options.layout)
        exported = (
            named.repartition(tasks, "image_id")
            .sortWithinPartitions("image_id")
            .mapInArrow(exporting, struct_type(EXPORTED))  # type: ignore[arg-type]
            .persist(StorageLevel.MEMORY_AND_DISK)
        )
        done.callback(exported.unpersist)
        progress.advance(0, rows, part=rows, tasks=tasks)
        with our_errors():
            states = _states(exported)
        _reported(report, place, claim, fresh, states)
        if "failed" in states:
            raise _failure(exported, place, states)
        report.table("missing", _missing(exported))
        progress.advance(rows, rows, "manifest")
        try:
            _write_manifest(exported, place, sum(states[s][0] for s in _WHOLE if s in states))
        except OSError as error:
            raise LabelmillError(
                f"{MANIFEST} was not written: {why_not_written(error)}. The {rows:,} rows before it are; "
                "make room and run it again to go on"
            ) from None
        with suppress(OSError):  # what a slow task still writes there is in nobody's way
            place.tidy()
    _judge(report, states)
    return report


def _claim(sql: str, options: ExportOptions, snapshot_ms: int | None = None) -> Claim:
    """What is asked for; at `snapshot_ms`, or now, unless the options say when."""
    at = int(time.time() * 1000) + 1 if snapshot_ms is None else snapshot_ms
    at = at if options.snapshot_ms is None else options.snapshot_ms
    return Claim(sql, at, options.format, options.layout, options.limit)


def _claimed(place: Place, sql: str, options: ExportOptions) -> Claim | None:
    """The export to go on with; None for a new one."""
    claim = place.claim()
    if claim is None:
        place.check_free()
        return None
    asked = _claim(sql, options, claim.snapshot_ms)
    different = [
        f"{name} {getattr(claim, name)!r}, not {getattr(asked, name)!r}"
        for name in ("sql", "snapshot_ms", "format", "layout", "limit")
        if getattr(claim, name) != getattr(asked, name)
    ]
    if different:
        raise InputError(
            f"--out {place.out} is the export of another slice ({'; '.join(different)}); export to "
            "another folder"
        )
    return claim


def _looked_over(rows: DataFrame) -> tuple[int, int]:
    """Rows and bytes of pixels.

    Raises:
        NoData: There are no rows.
        InputError: A split that is none.
    """
    size = F.expr("width * 1L * height * channels * if(dtype = 'uint16', 2, 1)")
    found = rows.agg(
        F.count("*").alias("rows"),
        F.sum(size).alias("size"),
        F.max(F.when(~F.col("split").isin(list(SPLITS_SHOWN)), F.col("split"))).alias("wrong"),
    ).collect()[0]
    if found["wrong"] is not None:
        raise InputError(
            f"the query gives the split {found['wrong']!r}; expected {', '.join(SPLITS_SHOWN)} or null"
        )
    if not found["rows"]:
        raise NoData(
            "the slice has no rows; look at what is there with "
            'labelmill sql "select collection, count(*) from images group by collection"'
        )
    return found["rows"], found["size"] or 0


def _states(exported: DataFrame) -> dict[str, tuple[int, int]]:
    """State → rows and bytes of files. This action writes the files."""
    counted = exported.groupBy("state").agg(
        F.count("*").alias("rows"), F.sum("bytes").alias("bytes")
    )
    return {row["state"]: (row["rows"], row["bytes"] or 0) for row in counted.collect()}


def _missing(exported: DataFrame) -> list[dict[str, object]]:
    rows = exported.where("state = 'missing'").select("collection", "image_id", "message")
    return [row.asDict() for row in rows.orderBy("image_id").limit(10).collect()]


def _write_manifest(exported: DataFrame, place: Place, expected: int) -> None:
    """Writes the rows, sorted, as they come: one partition at a time is on the driver.

    Raises:
        LabelmillError: An executor was lost and its rows could not be exported again.
    """
    rows = exported.where(F.col("state").isin(list(_WHOLE))).select(*COLUMNS)
    schema = pa.schema([EXPORTED.field(name) for name in COLUMNS])
    ordered = rows.sort("uri", "label", "split", "collection", "source_uri")
    with (
        place.writing(MANIFEST) as file,
        pacsv.CSVWriter(file, schema) as writer,
    ):
        batch, written = [], 0
        for row in ordered.toLocalIterator(prefetchPartitions=True):
            batch.append(row.asDict())
            written += 1
            if len(batch) >= 1000:
                writer.write_batch(pa.RecordBatch.from_pylist(batch, schema))
                batch = []
        writer.write_batch(pa.RecordBatch.from_pylist(batch, schema))
        if written != expected:
            raise LabelmillError(
                f"{expected - written:,} of {expected:,} rows were lost with an executor, so there is no "
                f"{MANIFEST}; run it again to go on"
            )


def _reported(
    report: Report, place: Place, claim: Claim, fresh: bool, states: dict[str, tuple[int, int]]
) -> None:
    count = {name: rows for name, (rows, _) in states.items()}
    files = [states[name] for name in _WHOLE[:3] if name in states]
    number = sum(rows for rows, _ in files)
    report.put("out", place.out)
    report.put("snapshot_ms", claim.snapshot_ms)
    report.put("rows", sum(count.values()))
    report.put("files", number)
    report.put("written", count.get("written", 0))
    report.put("already_there", count.get("there", 0))
    report.put("replaced", count.get("replaced", 0))
    report.put("missing", count.get("missing", 0))
    report.put("bytes", sum(size for _, size in files))
    report.put("files_per_second", round(number / max(report.seconds, 1e-3), 1))
    if not fresh:
        report.note(
            f"{place.out} was begun before and went on at its snapshot; for what came to the "
            "catalogue since, export to another folder"
        )


def _failure(
    exported: DataFrame, place: Place, states: dict[str, tuple[int, int]]
) -> LabelmillError:
    found = exported.where("state = 'failed'").select("uri", "message").limit(1).collect()
    # Made again after an executor was lost, it may succeed the second time.
    why = found[0] if found else {"uri": "a file", "message": "and then was"}
    whole = sum(states.get(name, (0, 0))[0] for name in _WHOLE)
    left = sum(states.get(name, (0, 0))[0] for name in ("failed", "not_tried"))
    return LabelmillError(
        f"{why['uri']} was not written: {why['message']}. {whole:,} rows are exported, {left:,} are "
        f"not, and {place.out} has no {MANIFEST}; make room and run it again to go on"
    )


def _judge(report: Report, states: dict[str, tuple[int, int]]) -> None:
    missing = states.get("missing", (0, 0))[0]
    if missing:
        report.fail(
            f"{missing:,} of {report.results['rows']:,} rows have no pixels and were not exported "
            f"(see the report's table missing); the others are, with {MANIFEST}. Ingest them again "
            "and export to another folder",
            MissingRow.exit_code,
        )
