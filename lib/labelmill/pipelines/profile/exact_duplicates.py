"""Images with the same pixels under different ids: other files, pixel for pixel the same.

Only images that agree in shape, statistics and thumbnail can have the same pixels, so only theirs
are read, in parts, and hashed.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.pipelines.profile.duplicates_worker import DIGESTS, digest_batches
from labelmill.spark.arrow import struct_type
from labelmill.sql.pixels import image_parts


def candidates(described: DataFrame) -> DataFrame:
    """Ids of images that agree with another one in everything that is known without the pixels."""
    key = ["width", "height", "channels", "dtype", "mean", "std", "ink", "shown"]
    rows = described.where(F.col("grey").isNotNull()).withColumn("shown", F.sha2("grey", 256))
    twice = rows.groupBy(*key).count().where("count > 1").drop("count")
    return rows.join(twice, key, "left_semi").select("image_id")


def pixel_digests(own: SparkSession, wanted: DataFrame, collection: str) -> DataFrame | None:
    """Digests of pixels, which may lie in one cell or in chunks.

    Args:
        own: Session with the views ``images`` and ``image_chunks``.
        wanted: Column ``image_id``.
        collection: Name.

    Returns:
        Rows of `DIGESTS`, persisted; None when nothing is wanted.
    """
    wanted = wanted.persist()
    try:
        if wanted.isEmpty():
            return None
        digests = (
            image_parts(own, collection, wanted)
            .repartition("image_id")
            .sortWithinPartitions("image_id", "chunk")
            .mapInArrow(digest_batches, struct_type(DIGESTS))  # type: ignore[arg-type]
            .persist()
        )
        digests.count()
        return digests
    finally:
        wanted.unpersist()
