"""Labels the images of a slice with one model version.

Here and in the stream, `labelmill.pipelines.predict.labels.label_columns` decides a label, so both
give an image the same bits.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timezone
from functools import partial
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.domain.models.decisions import DEFAULT_THRESHOLD, check_threshold
from labelmill.domain.models.reference import ModelReference
from labelmill.errors import AllFailed, NoData
from labelmill.pipelines.predict.labels import broadcast_bytes
from labelmill.pipelines.predict.model_version import load_version
from labelmill.pipelines.predict.worker import IMAGE_COLUMNS, LABELLED_SCHEMA, predict_batches
from labelmill.settings import Settings
from labelmill.spark.arrow import struct_type
from labelmill.spark.progress import SparkProgress
from labelmill.spark.report import Report
from labelmill.sql import catalogue
from labelmill.sql.image_columns import cast_image_columns
from labelmill.sql.pixels import with_pixels
from labelmill.sql.snapshot import resolve_snapshot, wait_for_snapshot
from labelmill.store.connect import open_client
from labelmill.store.schema.tables import LABELS
from labelmill.store.spark import frames


def collection_sql(collection: str) -> str:
    """A query for all images of a collection."""
    return f"select * from images where collection = {catalogue.literal(collection)}"


def predict_images(
    spark: SparkSession,
    settings: Settings,
    sql: str,
    model: str,
    version: int | None = None,
    alias: str = "production",
    threshold: float = DEFAULT_THRESHOLD,
    dry_run: bool = False,
    snapshot_ms: int | None = None,
) -> Report:
    """Labels every image of a slice and upserts ``labels``.

    A label that a stream gave to the same image by the same version is replaced as a whole: the row
    then belongs to no stream.

    Args:
        spark: The session.
        settings: Where Kudu is.
        sql: A query with the columns `IMAGE_COLUMNS`; repeated images are labelled once.
        model: Model name.
        version: Version; default: what `alias` points to.
        alias: Used when `version` is None.
        threshold: Lowest probability that is accepted, 0..1; below it the decision is ``review``.
        dry_run: Predict and report, but write nothing.
        snapshot_ms: Moment at which images are read, milliseconds since 1970 UTC; None: now.

    Returns:
        The report: ``rows``, ``model``, ``version``, ``accepted``, ``review``, ``failed``,
        ``classes`` (class → rows), ``snapshot_ms``.

    Raises:
        QueryRefused: The query does more than read.
        NoData: The slice has no rows.
        MissingRow: No such model, version or alias.
        ArtifactError: The stored model is not what was published.
        AllFailed: No image of the slice can be prepared for this model.
    """
    check_threshold(threshold)
    report = Report("predict_images")
    # Images and their chunks at one moment, whichever replica answers.
    at = resolve_snapshot(snapshot_ms)
    client = open_client(settings)
    try:
        client.ensure(LABELS)
        loaded = load_version(client, ModelReference(model, version, alias))
    finally:
        client.close()
    wait_for_snapshot(at, settings)
    images = cast_image_columns(catalogue.query(spark, settings, sql, at), IMAGE_COLUMNS)
    artifact = spark.sparkContext.broadcast(loaded.data)
    predicting = partial(
        predict_batches,
        artifact=partial(broadcast_bytes, artifact),
        sha256=loaded.sha256,
        threshold=threshold,
    )
    chosen = loaded.version
    with SparkProgress(spark, f"predict with {model} {chosen}"):
        # Spark's cache takes a partition whole before its first row goes on: Kudu, which forgets a scan
        # that waits 60 s, never waits for a slow model.
        read = with_pixels(images, settings, at).select(*IMAGE_COLUMNS)
        read = read.persist(StorageLevel.MEMORY_AND_DISK)
        labelled = (
            read.mapInArrow(predicting, struct_type(LABELLED_SCHEMA))
            .dropDuplicates(["collection", "image_id"])
            .persist(StorageLevel.MEMORY_AND_DISK)
        )
        try:
            # Counting predicts everything first, so that the write below only writes.
            counts = labelled.groupBy("class", "decision", "error").count().collect()
            _fill_report(report, [row.asDict() for row in counts], model, chosen)
            if not dry_run:
                _write(labelled, settings, model, chosen)
        finally:
            labelled.unpersist()
            read.unpersist()
            artifact.destroy()
    report.put("snapshot_ms", at)
    report.put("written", not dry_run)
    return report


def _write(labelled: DataFrame, settings: Settings, model: str, version: int) -> None:
    good = labelled.where(F.col("error").isNull()).drop("error")
    frames.write(
        good.select(
            "*",
            F.lit(model).alias("model"),
            F.lit(version).cast("int").alias("version"),
            # Whole rows: of a stream's label nothing is left.
            F.lit("").alias("query"),
            F.lit(None).cast("long").alias("batch_id"),
            F.lit(datetime.now(timezone.utc)).alias("labelled_at"),
        ),
        settings,
        LABELS,
        "upsert",
    )


def _fill_report(report: Report, counts: list[dict[str, Any]], model: str, version: int) -> None:
    rows = sum(row["count"] for row in counts)
    failed = [row for row in counts if row["error"] is not None]
    if not rows:
        raise NoData(
            "the slice has no images; look at what is there with "
            'labelmill sql "select collection, count(*) from images group by collection"'
        )
    report.put("model", model)
    report.put("version", version)
    report.put("rows", rows)
    for decision in ("accepted", "review"):
        report.put(decision, sum(r["count"] for r in counts if r["decision"] == decision))
    report.put("failed", sum(row["count"] for row in failed))
    classes: dict[str, int] = defaultdict(int)
    for row in counts:
        if row["class"] is not None:
            classes[row["class"]] += row["count"]
    report.put("classes", dict(sorted(classes.items())))
    report.table("failures", [{"images": r["count"], "error": r["error"]} for r in failed[:10]])
    if report.results["failed"] == rows:
        raise AllFailed(f"none of the {rows:,} images could be labelled: {failed[0]['error']}")
