"""Exports a slice of the catalogue as image files, with a manifest that can be ingested again.

Workers fetch pixels and write the files; the driver writes `MANIFEST` last, sorted. The folder belongs
to one slice: query, snapshot, format, layout, limit. An export that was killed and is run again continues
at the same snapshot and ends with the same files.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.domain.splits.hashing import SPLITS_SHOWN
from labelmill.errors import InputError, LabelmillError, NoData
from labelmill.pipelines.export.file_names import MANIFEST, Format, Layout
from labelmill.pipelines.export.manifest import write_manifest
from labelmill.pipelines.export.output_folder import Claim, OutputFolder, explain_write_error
from labelmill.pipelines.export.report import States, fill_report, judge, write_failure
from labelmill.pipelines.export.selection import add_clashes, add_shapes, select_rows
from labelmill.pipelines.export.worker import EXPORTED, WHOLE, ExportTask
from labelmill.settings import Settings
from labelmill.spark.arrow import struct_type
from labelmill.spark.errors import our_errors
from labelmill.spark.progress import SparkProgress
from labelmill.spark.report import Report
from labelmill.sql.snapshot import settled_snapshot

_TASK_BYTES, _TASK_ROWS = 128 << 20, 2000
"""About the size of a task, so that progress moves; a small slice has one task per slot."""


@dataclass(frozen=True)
class ExportOptions:
    """Options of an export, beside query and folder.

    Attributes:
        format: ``png``; ``netpbm``: PGM, PPM or PAM by channels; ``npy``: NumPy, ``(H, W, C)``.
        layout: ``class``: ``[SPLIT/]CLASS/IMAGE_ID.png``; ``uri``: the image's own path; ``id``:
            by image id.
        limit: At most this many rows, the first by image id; None: all.
        snapshot_ms: Milliseconds since 1970 UTC; default now, or that of the export to continue.
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
            ``source_time`` and ``attributes`` are exported too. Must be repeatable.
        out: Folder that all workers see, or a `pyarrow.fs` URI: new, empty, or an earlier export of the
            same slice.
        options: What differs from the defaults.

    Returns:
        The report: ``rows``, ``written``, ``already_there``, ``replaced``, ``missing``, ``bytes``,
        ``files_per_second``; failed when pixels are missing.

    Raises:
        QueryRefused: The query does more than read, or is not repeatable.
        InputError: The folder has other contents or a worker does not see it; the query lacks a
            column, or has one of the wrong type.
        NoData: The slice has no rows.
        LabelmillError: A file could not be written: the disk is full, for example.
    """
    options = options or ExportOptions()
    if options.limit is not None and options.limit < 1:
        raise InputError(f"--limit {options.limit}; expected 1 or more")
    folder = OutputFolder(out if "://" in out else os.path.abspath(out))
    report = Report("export_images")
    claim = _find_claim(folder, sql, options)
    fresh = claim is None
    claim = claim or _new_claim(sql, options)
    with SparkProgress(spark, f"export to {out}", unit="files") as progress, ExitStack() as done:
        progress.advance(0, text="reading the slice")
        selected = select_rows(spark, settings, claim).persist(StorageLevel.MEMORY_AND_DISK)
        # Not before the query was checked: one that is refused need not wait. Nothing was read yet.
        settled_snapshot(settings, claim.snapshot_ms)
        done.callback(selected.unpersist)
        shaped = add_shapes(selected, settings, claim).persist(StorageLevel.MEMORY_AND_DISK)
        done.callback(shaped.unpersist)
        rows, size = _measure(shaped)
        if fresh:
            folder.mark(claim)
        task = ExportTask(settings, folder.out, claim, options.format, options.layout, fresh)
        tasks = max(rows // _TASK_ROWS, size // _TASK_BYTES, spark.sparkContext.defaultParallelism)
        tasks = min(tasks, rows, 100_000)
        named = add_clashes(shaped, options.format, options.layout)
        exported = (
            named.repartition(tasks, "image_id")
            .sortWithinPartitions("image_id")
            .mapInArrow(task, struct_type(EXPORTED))  # type: ignore[arg-type]
            .persist(StorageLevel.MEMORY_AND_DISK)
        )
        done.callback(exported.unpersist)
        progress.advance(0, rows, part=rows, tasks=tasks)
        with our_errors():
            states = _write_files(exported)
        fill_report(report, folder, claim, fresh, states)
        if "failed" in states:
            raise write_failure(exported, folder, states)
        report.table("missing", _list_missing(exported))
        progress.advance(rows, rows, "manifest")
        try:
            write_manifest(exported, folder, sum(states[s][0] for s in WHOLE if s in states))
        except OSError as error:
            raise LabelmillError(
                f"{MANIFEST} was not written: {explain_write_error(error)}. All {rows:,} rows before it "
                "were exported; make room and run it again to continue"
            ) from None
        with suppress(OSError):  # what a slow task still writes there does no harm
            folder.tidy()
    judge(report, states)
    return report


def _new_claim(sql: str, options: ExportOptions, snapshot_ms: int | None = None) -> Claim:
    """The slice to export: at the options' snapshot, else at `snapshot_ms`, else now."""
    at = int(time.time() * 1000) + 1 if snapshot_ms is None else snapshot_ms
    at = at if options.snapshot_ms is None else options.snapshot_ms
    return Claim(sql, at, options.format, options.layout, options.limit)


def _find_claim(folder: OutputFolder, sql: str, options: ExportOptions) -> Claim | None:
    """The claim of the export to continue; None for a new one.

    Raises:
        InputError: The folder has other contents, or is the export of another slice.
    """
    claim = folder.claim()
    if claim is None:
        folder.check_free()
        return None
    requested = _new_claim(sql, options, claim.snapshot_ms)
    different = [
        f"{name} {getattr(claim, name)!r}, not {getattr(requested, name)!r}"
        for name in ("sql", "snapshot_ms", "format", "layout", "limit")
        if getattr(claim, name) != getattr(requested, name)
    ]
    if different:
        raise InputError(
            f"--out {folder.out} is the export of another slice ({'; '.join(different)}); export to "
            "another folder"
        )
    return claim


def _measure(rows: DataFrame) -> tuple[int, int]:
    """The number of rows, and bytes of their pixels.

    Raises:
        NoData: There are no rows.
        InputError: A row has an invalid split.
    """
    size = F.expr("width * 1L * height * channels * if(dtype = 'uint16', 2, 1)")
    found = rows.agg(
        F.count("*").alias("rows"),
        F.sum(size).alias("size"),
        F.max(F.when(~F.col("split").isin(list(SPLITS_SHOWN)), F.col("split"))).alias("wrong"),
    ).collect()[0]
    if found["wrong"] is not None:
        raise InputError(
            f"the query returns the split {found['wrong']!r}; expected {', '.join(SPLITS_SHOWN)} or null"
        )
    if not found["rows"]:
        raise NoData(
            "the slice has no rows; look at what is there with "
            'labelmill sql "select collection, count(*) from images group by collection"'
        )
    return found["rows"], found["size"] or 0


def _write_files(exported: DataFrame) -> States:
    """Runs the tasks, which write the files; returns the state of the rows."""
    counted = exported.groupBy("state").agg(
        F.count("*").alias("rows"), F.sum("bytes").alias("bytes")
    )
    return {row["state"]: (row["rows"], row["bytes"] or 0) for row in counted.collect()}


def _list_missing(exported: DataFrame) -> list[dict[str, object]]:
    rows = exported.where("state = 'missing'").select("collection", "image_id", "message")
    return [row.asDict() for row in rows.orderBy("image_id").limit(10).collect()]
