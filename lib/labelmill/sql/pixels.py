"""Pixels of images: those in a cell, and those in chunks put together again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.settings import Settings
from labelmill.store.schema.tables import IMAGE_CHUNKS
from labelmill.store.spark import frames as store

_CHUNKS_AT_ONCE = 64


BATCH_BYTES = 16 << 20
"""Pixels of one Arrow batch, when images are large enough for 1,024 of them to matter."""


def with_pixels(df: DataFrame, settings: Settings, snapshot_ms: int | None = None) -> DataFrame:
    """Fills ``pixels`` of images that are stored in ``image_chunks``.

    Args:
        df: Has ``collection``, ``image_id`` and ``pixels``; rows with pixels are left alone.
        settings: Where Kudu is.
        snapshot_ms: The snapshot that `df` was read at.

    Returns:
        The same columns in the same order; ``pixels`` stays null where all chunks are missing and
        is short where some are: whoever reads it compares the length with the shape. Where images
        are large, Arrow batches of the DataFrame's session are made smaller.
    """
    spark = df.sparkSession
    chunks = store.read(spark, settings, IMAGE_CHUNKS, snapshot_ms=snapshot_ms)
    if chunks.where("chunk = 0").limit(1).isEmpty():
        return df
    _make_room(df)
    key = ["collection", "image_id"]
    # Joined in two steps: one long chain of concat would copy the bytes once per chunk.
    parts = _joined(
        chunks.withColumn("part", F.expr(f"chunk div {_CHUNKS_AT_ONCE}")),
        [*key, "part"],
        "chunk",
        "data",
    ).select(*key, "part", F.col("joined").alias("data"))
    assembled = _joined(parts, key, "part", "data").withColumnRenamed("joined", "pixels")
    # One join, no union of two filters: a query whose rows differ each time it runs (a limit without
    # an order) must run once, or rows get lost and doubled.
    joined = df.join(assembled.withColumnRenamed("pixels", "assembled"), key, "left")
    filled = joined.withColumn("pixels", F.coalesce("pixels", "assembled"))
    return filled.select(*(F.col(f"`{name}`") for name in df.columns))


def _make_room(df: DataFrame) -> None:
    """Sets the DataFrame's session so that its large images fit small executors."""
    size = F.expr("height * width * channels * if(dtype = 'uint16', 2L, 1L)")
    large = df.where(F.col("pixels").isNull())
    row = large.agg(F.max(size).alias("most"), F.sum(size).alias("total")).collect()[0]
    if not row["most"]:
        return
    conf = df.sparkSession.conf
    conf.set(
        "spark.sql.execution.arrow.maxRecordsPerBatch",
        str(max(1, min(1024, BATCH_BYTES // row["most"]))),
    )
    # Rows that are gathered at once before Spark sorts instead, and partitions that are not merged.
    conf.set("spark.sql.objectHashAggregate.sortBased.fallbackThreshold", "4")
    conf.set("spark.sql.adaptive.coalescePartitions.enabled", "false")
    partitions = max(
        int(conf.get("spark.sql.shuffle.partitions") or 4), row["total"] // BATCH_BYTES
    )
    conf.set("spark.sql.shuffle.partitions", str(min(partitions, 10_000)))


def _joined(df: DataFrame, key: list[str], order: str, data: str) -> DataFrame:
    ordered = F.array_sort(F.collect_list(F.struct(order, data)))
    return (
        df.groupBy(*key)
        .agg(ordered.alias("parts"))
        .select(
            *key,
            F.expr(
                f"aggregate(parts, cast('' as binary), (all, p) -> concat(all, p.{data}))"
            ).alias("joined"),
        )
    )


PARTS = ("image_id", "height", "width", "channels", "dtype", "chunk", "data")
"""Pixels in parts: rows of an image are next to each other, in the order of ``chunk``."""


def whole_images(batches: Iterator[pa.RecordBatch]) -> Iterator[Iterator[dict[str, Any]]]:
    """The rows of each image, one image after the other, as they come; nothing is gathered."""
    rows = (row for batch in batches for row in batch.to_pylist())
    for _, group in groupby(rows, key=lambda row: row["image_id"]):
        yield group


def image_parts(own: SparkSession, collection: str, wanted: DataFrame | list[str]) -> DataFrame:
    """Pixels of some images as rows of `PARTS`, in any order.

    Args:
        own: Session with the views ``images`` and ``image_chunks``.
        collection: Name.
        wanted: Column ``image_id``; or a short list of ids, which Kudu itself filters by.
    """
    shape = ["image_id", "height", "width", "channels", "dtype"]

    def mine(view: str) -> DataFrame:
        rows = own.table(view).where(F.col("collection") == collection)
        if isinstance(wanted, list):
            return rows.where(F.col("image_id").isin(wanted))
        return rows.join(wanted, "image_id", "left_semi")

    whole = mine("images").where(F.col("pixels").isNotNull())
    whole = whole.select(*shape, F.lit(0).alias("chunk"), F.col("pixels").alias("data"))
    # Asking which images have no pixels would read those of all others.
    shapes = mine("images").select(*shape)
    cut = mine("image_chunks").select("image_id", "chunk", "data").join(shapes, "image_id")
    return whole.unionByName(cut).select(*PARTS)
