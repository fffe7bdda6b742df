"""What one writes with Spark alone: `binaryFile`, a UDF that decodes with Pillow, a table written."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.settings import Settings
from labelmill.store.schema.tables import IMAGES
from labelmill.store.spark import frames

DECODED = "image_id string, height int, width int, channels int, pixels binary"


def decode(data: bytes) -> tuple[Any, ...]:
    """The UDF: one file's bytes to its identity, shape and array bytes (see `DECODED`)."""
    pixels = np.atleast_3d(np.asarray(Image.open(io.BytesIO(data), formats=("PNG",))))
    return (hashlib.sha256(data).hexdigest(), *pixels.shape, pixels.tobytes())


def as_it_comes(spark: SparkSession) -> SparkSession:
    """A session of the same Spark with the settings that Spark comes with."""
    session = spark.newSession()
    session.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "10000")
    return session


def tuned(spark: SparkSession) -> SparkSession:
    """A session that puts many small files into one partition."""
    session = as_it_comes(spark)
    session.conf.set("spark.sql.files.openCostInBytes", "2048")
    return session


def read(spark: SparkSession, folder: Path, arrow: bool) -> DataFrame:
    """Columns path, class, bytes, and those of `DECODED`.

    Args:
        arrow: Arrow between JVM and Python instead of pickle.
    """
    files = (
        spark.read.format("binaryFile")
        .option("pathGlobFilter", "*.png")
        .option("recursiveFileLookup", "true")
        .load(f"file://{folder}")
    )
    to_image = F.udf(decode, DECODED, useArrow=arrow)
    label = F.element_at(F.split("path", "/"), -2).alias("class")
    length = F.col("length").alias("bytes")
    return files.select("path", label, length, to_image("content").alias("image")).select(
        "path", "class", "bytes", "image.*"
    )


def to_parquet(images: DataFrame, target: Path) -> None:
    """Writes the rows."""
    images.write.mode("overwrite").parquet(f"file://{target}")


def to_kudu(images: DataFrame, settings: Settings, collection: str) -> None:
    """Writes the rows to the table that `ingest` writes to, by kudu-spark.

    Persisted first: a long task that writes meets KUDU-3790. Statistics and annotations are left out.
    """
    rows = images.select(
        F.lit(collection).alias("collection"),
        "image_id",
        F.col("path").alias("uri"),
        "width",
        "height",
        "channels",
        F.lit("uint8").alias("dtype"),
        "pixels",
        *(F.lit(0.0).cast("float").alias(name) for name in ("mean", "std", "ink")),
        "bytes",
        F.current_timestamp().alias("ingested_at"),
    ).persist()
    try:
        rows.count()
        frames.write(rows, settings, IMAGES, "insert_ignore")
    finally:
        rows.unpersist()
