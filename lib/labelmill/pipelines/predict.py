"""Labels for a slice, by one model version. The rows' function is shared with the stream.

What decides a label is `labelmill.pipelines.label_rows.label_columns`, in the stream and here, so
that both give an image the same bits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from functools import partial
from typing import Any

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.domain.labels import DEFAULT_BOUND
from labelmill.errors import AllFailed, ImageError, InputError, NoData
from labelmill.feed.rows import image_of
from labelmill.inference.cache import predictor_of
from labelmill.inference.predictor import Predictor
from labelmill.pipelines import catalogue
from labelmill.pipelines.label_rows import broadcast_bytes, label_columns
from labelmill.pipelines.progress import SparkProgress
from labelmill.pipelines.report import Report
from labelmill.pipelines.slice_columns import typed
from labelmill.settings import Settings
from labelmill.store import aliases, models
from labelmill.store import spark as store
from labelmill.store.client import open_client
from labelmill.store.tables import LABELS

IMAGE_COLUMNS = ("collection", "image_id", "height", "width", "channels", "dtype", "pixels")
"""What prediction needs of a slice."""

LABELLED = pa.schema(
    [
        ("collection", pa.string()),
        ("image_id", pa.string()),
        ("class", pa.string()),
        ("probability", pa.float32()),
        ("probabilities", pa.binary()),
        ("entropy", pa.float32()),
        ("decision", pa.string()),
        ("error", pa.string()),
    ]
)
"""What comes back; ``error`` is null for a labelled image, else it says why there is no label."""

LABELLED_SQL = (
    "collection string, image_id string, class string, probability float, probabilities binary, "
    "entropy float, decision string, error string"
)


def collection_sql(collection: str) -> str:
    """All images of a collection."""
    return f"select * from images where collection = {catalogue.literal(collection)}"


def predict_images(
    spark: SparkSession,
    settings: Settings,
    sql: str,
    model: str,
    version: int | None = None,
    alias: str = "production",
    bound: float = DEFAULT_BOUND,
    dry_run: bool = False,
) -> Report:
    """Labels every image of a slice and upserts ``labels``.

    Args:
        spark: The session.
        settings: Where Kudu is.
        sql: A query with the columns `IMAGE_COLUMNS`; repeated images are labelled once.
        model: Model name.
        version: Version; default: what `alias` points to.
        alias: Used when `version` is None.
        bound: Least probability that is accepted, 0..1; below it the decision is ``review``.
        dry_run: Predict and report, write nothing.

    Returns:
        The report: ``rows``, ``model``, ``version``, ``accepted``, ``review``, ``failed``,
        ``classes`` (class → rows).

    Raises:
        QueryRefused: The query does more than read.
        NoData: The slice has no rows.
        MissingRow: No such model, version or alias.
        ArtifactError: The stored model is not what was published.
        AllFailed: No image of the slice can be prepared for this model.
    """
    if not 0 <= bound <= 1:
        raise InputError(f"--bound {bound}; expected 0 to 1")
    report = Report("predict_images")
    client = open_client(settings)
    try:
        client.ensure(LABELS)
        chosen = version if version is not None else aliases.resolve(client, model, alias)
        header, data = models.load(client, model, chosen)
    finally:
        client.close()
    sha256 = str(header["sha256"])
    predictor_of(sha256, partial(bytes, data))  # the canary, before any task starts
    images = typed(catalogue.query(spark, settings, sql), IMAGE_COLUMNS)
    artifact = spark.sparkContext.broadcast(data)
    predicting = partial(
        predict_batches, artifact=partial(broadcast_bytes, artifact), sha256=sha256, bound=bound
    )
    with SparkProgress(spark, f"predict with {model} {chosen}"):
        labelled = (
            catalogue.with_pixels(images, settings)
            .select(*IMAGE_COLUMNS)
            .mapInArrow(predicting, LABELLED_SQL)
            .dropDuplicates(["collection", "image_id"])
            .persist(StorageLevel.MEMORY_AND_DISK)
        )
        try:
            # Predicts everything; the write below has only writing to do.
            counts = labelled.groupBy("class", "decision", "error").count().collect()
            _reported(report, [row.asDict() for row in counts], model, chosen)
            if not dry_run:
                _write(labelled, settings, model, chosen)
        finally:
            labelled.unpersist()
            artifact.destroy()
    report.put("written", not dry_run)
    return report


def predict_batches(
    batches: Iterator[pa.RecordBatch],
    artifact: Callable[[], bytes],
    sha256: str,
    bound: float,
) -> Iterator[pa.RecordBatch]:
    """Runs on executors: images to labels.

    Args:
        batches: Columns `IMAGE_COLUMNS`.
        artifact: Gives the artifact's bytes when this worker has no warm predictor of it.
        sha256: Of the artifact.
        bound: Least probability that is accepted, 0..1.

    Yields:
        Batches of `LABELLED`, one row an image, in another order than received.

    Raises:
        ArtifactError: The artifact is not what was stored.
    """
    for batch in batches:
        if batch.num_rows:
            rows = labelled_rows(batch, predictor_of(sha256, artifact), bound)
            yield pa.RecordBatch.from_pylist(rows, schema=LABELLED)


def labelled_rows(
    batch: pa.RecordBatch, predictor: Predictor, bound: float
) -> list[dict[str, Any]]:
    """Labels of one batch; an image that cannot be prepared gets ``error`` and stops nothing.

    Returns:
        Dicts of `LABELLED`; ``row`` is the place in the batch.

    Raises:
        ArtifactError: The model's graph does not run: no fault of the images.
    """
    columns = [batch.column(name) for name in IMAGE_COLUMNS]
    collections, ids, *shapes = (column.to_pylist() for column in columns[:-1])
    rows: list[dict[str, Any]] = []
    # Images of one shape are prepared together, as in the stream.
    groups: dict[tuple[Any, ...], list[tuple[int, Any]]] = defaultdict(list)
    for place, shape in enumerate(zip(*shapes, strict=True)):
        known: dict[str, Any] = {
            "row": place,
            "collection": collections[place],
            "image_id": ids[place],
        }
        rows.append(known)
        try:
            groups[shape].append((place, image_of(columns[-1][place], *shape)))
        except InputError as error:
            known["error"] = str(error)[:1000]
    for group in groups.values():
        try:
            answers = label_columns(predictor, [image for _, image in group], bound)
            for (place, _), answer in zip(group, answers, strict=True):
                rows[place] |= answer
        except (InputError, ImageError) as error:
            for place, _ in group:
                rows[place]["error"] = str(error)[:1000]
    return rows


def _write(labelled: DataFrame, settings: Settings, model: str, version: int) -> None:
    good = labelled.where(F.col("error").isNull()).drop("error")
    store.write(
        good.select(
            "*",
            F.lit(model).alias("model"),
            F.lit(version).cast("int").alias("version"),
            F.lit("").alias("query"),
            F.lit(datetime.now(timezone.utc)).alias("labelled_at"),
        ),
        settings,
        LABELS,
        "upsert",
    )


def _reported(report: Report, counts: list[dict[str, Any]], model: str, version: int) -> None:
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
