"""Images with the same pixels under different ids: different files, equal pixel for pixel.

Only images that agree in shape, statistics and thumbnail can have the same pixels, so only those are
read, in parts, and hashed.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.pipelines.profile.duplicates_worker import DIGESTS, digest_batches
from labelmill.spark.arrow import struct_type
from labelmill.sql.pixels import select_parts


def find_candidates(described: DataFrame) -> DataFrame:
    """Ids of images that agree with another one in everything known without the pixels."""
    key = ["width", "height", "channels", "dtype", "mean", "std", "ink", "shown"]
    rows = described.where(F.col("grey").isNotNull()).withColumn("shown", F.sha2("grey", 256))
    twice = rows.groupBy(*key).count().where("count > 1").drop("count")
    return rows.join(twice, key, "left_semi").select("image_id")


def pixel_digests(own: SparkSession, image_ids: DataFrame, collection: str) -> DataFrame | None:
    """Digests of pixels, which may be stored in one cell or in chunks.

    Args:
        own: Session with the views ``images`` and ``image_chunks``.
        image_ids: Column ``image_id``.
        collection: Name.

    Returns:
        Rows of `DIGESTS`, persisted; None without image_ids.
    """
    image_ids = image_ids.persist()
    try:
        if image_ids.isEmpty():
            return None
        digests = (
            select_parts(own, collection, image_ids)
            .repartition("image_id")
            .sortWithinPartitions("image_id", "chunk")
            .mapInArrow(digest_batches, struct_type(DIGESTS))  # type: ignore[arg-type]
            .persist()
        )
        digests.count()
        return digests
    finally:
        image_ids.unpersist()
