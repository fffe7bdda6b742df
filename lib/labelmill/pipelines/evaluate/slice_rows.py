"""The slice that versions are measured on, as rows for the executors and as a digest."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.domain.models.learnable import require_images_of_one_class
from labelmill.errors import NoData
from labelmill.pipelines.predict.worker import IMAGE_COLUMNS
from labelmill.settings import Settings
from labelmill.spark.shared_files import shared_shards
from labelmill.sql import catalogue
from labelmill.sql.image_columns import cast_image_columns
from labelmill.sql.pixels import with_pixels
from labelmill.sql.snapshot import settled_snapshot
from labelmill.training_sets.registry import find, measured_on


@dataclass(frozen=True)
class Slice:
    """What versions are measured on: a query at a snapshot, or a split of a training set.

    Attributes:
        sql: The query.
        snapshot_ms: Milliseconds since 1970 UTC at which it reads; None: now.
        training_set: In place of `sql`: name, digest or folder.
        split: Of the training set; None: ``test``.
    """

    sql: str | None = None
    snapshot_ms: int | None = None
    training_set: str | None = None
    split: str | None = None


def slice_rows(
    spark: SparkSession, settings: Settings, on: Slice, stack: ExitStack
) -> tuple[DataFrame, str, str]:
    """The slice as a DataFrame for `confuse_batches`, its digest and its text."""
    if on.training_set is not None:
        frozen = find(settings, on.training_set)
        manifest = frozen.manifest
        require_images_of_one_class(frozen.digest[:12], manifest.kind, manifest.target)
        split = on.split or "test"
        shards = [s for s in frozen.manifest.shards if s.split == split]
        if not shards:
            raise NoData(f"training set {frozen.digest[:12]} has no rows in split {split!r}")
        paths = [
            p for p, s in zip(frozen.files(), frozen.manifest.shards, strict=True) if s in shards
        ]
        names = shared_shards(spark.sparkContext, paths, frozen.digest)
        table = spark.createDataFrame([(name,) for name in names], "shard string")
        text = measured_on(frozen.digest, split)
        return table.repartition(len(names)), hashlib.sha256(text.encode()).hexdigest(), text
    assert on.sql is not None
    at = settled_snapshot(settings, on.snapshot_ms)
    found = cast_image_columns(
        catalogue.query(spark, settings, on.sql, at, repeatable=True), (*IMAGE_COLUMNS, "class")
    )
    rows = (
        with_pixels(found, settings, at, repeatable=True).select(*IMAGE_COLUMNS, "class").persist()
    )
    stack.callback(rows.unpersist)
    # The digest reads all rows into Spark's cache, so that no scan of Kudu waits for a model.
    return rows, slice_digest(on.sql, rows), f"{on.sql} -- snapshot {at}"


def slice_digest(sql: str, rows: DataFrame) -> str:
    """SHA-256 (hex) of a query and its answer, independent of row order and time.

    The answer is the images and their classes; an image's id is the hash of its bytes. The rows'
    hashes are added up in eight lanes of 32 bits, so a duplicate row changes the digest.
    """
    hashed = rows.select(
        F.sha2(F.to_json(F.struct("collection", "image_id", "class")), 256).alias("hash")
    )
    lanes = [
        F.sum(F.conv(F.substring("hash", 8 * lane + 1, 8), 16, 10).cast("long"))
        for lane in range(8)
    ]
    found = hashed.agg(F.count("*"), *lanes).collect()[0]
    return hashlib.sha256(json.dumps([sql, *found]).encode()).hexdigest()
