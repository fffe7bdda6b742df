"""Pixels of images, whether stored in one cell or in chunks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.settings import Settings
from labelmill.store.connect import open_client
from labelmill.store.schema.tables import CELL_BYTES, IMAGE_CHUNKS
from labelmill.store.spark import frames

_CHUNKS_AT_ONCE = 64
_LOOKED_UP = 1000
"""Most images whose chunks are found by their ids; of more, all chunks of their collections are read."""

_SIZE = "height * width * channels * if(dtype = 'uint16', 2L, 1L)"
"""Bytes of an image's pixels; above `CELL_BYTES`, they are in chunks."""

_MAY_TIE = re.compile(r"^[\s:+-]*(?:GlobalLimit|LocalLimit|Offset|Sample|Window)\b", re.MULTILINE)
"""Nodes of a plan, at the beginning of their lines, whose rows depend on how others tie."""

BATCH_BYTES = 16 << 20
"""Bytes of pixels in one Arrow batch, where 1,024 images would be more."""

PART_COLUMNS = ("image_id", "height", "width", "channels", "dtype", "chunk", "data")
"""Columns of pixels in parts; when sorted, an image's rows are adjacent and in the order of ``chunk``."""


def with_pixels(
    df: DataFrame, settings: Settings, snapshot_ms: int | None = None, repeatable: bool = False
) -> DataFrame:
    """Fills in the ``pixels`` of images that are stored in ``image_chunks``.

    Args:
        df: Has ``collection``, ``image_id`` and ``pixels``; rows with pixels stay as they are.
        settings: Where Kudu is.
        snapshot_ms: The snapshot at which `df` is read.
        repeatable: The query was checked to give the same rows each time. Of other queries it is found
            out where the plan shows it.

    Returns:
        The same columns in the same order. ``pixels`` stays null where all chunks are missing and is
        too short where some are, so readers must compare its length with the shape. Where images are
        large, Arrow batches of the DataFrame's session are made smaller.
    """
    if not _any_chunk(settings, snapshot_ms):
        return df
    # By their shapes: to look for images without pixels would read the pixels of all others.
    size = F.expr(_SIZE)
    large = df.where(size > CELL_BYTES)
    found = large.agg(
        F.count("*").alias("images"), F.max(size).alias("most"), F.sum(size).alias("total"),
        F.collect_set("collection").alias("collections"),
    ).collect()[0]  # fmt: skip
    repeats = repeatable or _repeats(df)
    if repeats and not found["images"]:
        return df
    chunks = frames.read(df.sparkSession, settings, IMAGE_CHUNKS, snapshot_ms=snapshot_ms)
    if repeats:
        # Kudu looks up keys: images of other collections cost nothing.
        chunks = chunks.where(F.col("collection").isin(found["collections"]))
        if found["images"] <= _LOOKED_UP:
            ids = [row["image_id"] for row in large.select("image_id").distinct().collect()]
            chunks = chunks.where(F.col("image_id").isin(ids))
    if found["images"]:
        _limit_memory(df.sparkSession, found["most"], found["total"])
    key = ["collection", "image_id"]
    # Concatenated in two steps: one long chain of concat would copy the bytes once per chunk.
    parts = _concat_chunks(
        chunks.withColumn("part", F.expr(f"chunk div {_CHUNKS_AT_ONCE}")),
        [*key, "part"],
        "chunk",
        "data",
    ).select(*key, "part", F.col("joined").alias("data"))
    assembled = _concat_chunks(parts, key, "part", "data").withColumnRenamed("joined", "pixels")
    # One join rather than a union of two filters: a query whose rows differ each time it runs (a limit
    # without an order) must run once, or rows are lost and duplicated.
    joined = df.join(assembled.withColumnRenamed("pixels", "assembled"), key, "left")
    filled = joined.withColumn("pixels", F.coalesce("pixels", "assembled"))
    return filled.select(*(F.col(f"`{name}`") for name in df.columns))


def _any_chunk(settings: Settings, snapshot_ms: int | None) -> bool:
    """Whether any image is in chunks. Most catalogues have small images only, and need no job to know."""
    with closing(open_client(settings)) as client:
        if settings.table_prefix + IMAGE_CHUNKS.name not in client.names():
            return False
        rows = client.scan(IMAGE_CHUNKS, ["chunk"], snapshot_ms=snapshot_ms)
        return next(rows, None) is not None


def _repeats(df: DataFrame) -> bool:
    """Whether the same rows come each time that it runs, so that one run may prepare another."""
    plan = df._jdf.queryExecution().analyzed()
    return bool(plan.deterministic()) and not _MAY_TIE.search(plan.toString())


def _limit_memory(spark: SparkSession, most: int, total: int) -> None:
    """Configures the DataFrame's session so that its large images fit small executors.

    Args:
        spark: The session.
        most: Bytes of the largest image.
        total: Bytes of all large images.
    """
    conf = spark.conf
    conf.set(
        "spark.sql.execution.arrow.maxRecordsPerBatch", str(max(1, min(1024, BATCH_BYTES // most)))
    )
    # Spark sorts instead of aggregating more rows than this at once, and does not merge partitions.
    conf.set("spark.sql.objectHashAggregate.sortBased.fallbackThreshold", "4")
    conf.set("spark.sql.adaptive.coalescePartitions.enabled", "false")
    partitions = max(int(conf.get("spark.sql.shuffle.partitions") or 4), total // BATCH_BYTES)
    conf.set("spark.sql.shuffle.partitions", str(min(partitions, 10_000)))


def _concat_chunks(df: DataFrame, key: list[str], order: str, data: str) -> DataFrame:
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


def group_parts(batches: Iterator[pa.RecordBatch]) -> Iterator[Iterator[dict[str, Any]]]:
    """Groups sorted rows of `PART_COLUMNS` by image, lazily: an image is never in memory as a whole."""
    rows = (row for batch in batches for row in batch.to_pylist())
    for _, group in groupby(rows, key=lambda row: row["image_id"]):
        yield group


def select_parts(own: SparkSession, collection: str, wanted: DataFrame | list[str]) -> DataFrame:
    """Selects the pixels of some images as rows of `PART_COLUMNS`, in any order.

    Args:
        own: Session with the views ``images`` and ``image_chunks``.
        collection: Name of the collection.
        wanted: DataFrame with a column ``image_id``; or a short list of ids, by which Kudu filters.
    """
    shape = ["image_id", "height", "width", "channels", "dtype"]

    def chosen(view: str) -> DataFrame:
        rows = own.table(view).where(F.col("collection") == collection)
        if isinstance(wanted, list):
            return rows.where(F.col("image_id").isin(wanted))
        return rows.join(wanted, "image_id", "left_semi")

    whole = chosen("images").where(F.col("pixels").isNotNull())
    whole = whole.select(*shape, F.lit(0).alias("chunk"), F.col("pixels").alias("data"))
    # To filter for images without pixels would read the pixels of all others.
    shapes = chosen("images").select(*shape)
    cut = chosen("image_chunks").select("image_id", "chunk", "data").join(shapes, "image_id")
    return whole.unionByName(cut).select(*PART_COLUMNS)
