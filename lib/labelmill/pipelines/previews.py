"""Small pictures of catalogue images, drawn on executors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from labelmill.domain.codecs.png.codec import encode_png
from labelmill.domain.images.image import from_bytes, thumbnail
from labelmill.errors import InputError
from labelmill.spark.arrow import struct_type
from labelmill.sql.pixels import group_parts, select_parts

SIDE = 96
"""Most pixels of a picture, wide and high."""

LARGEST = 32 << 20
"""Most bytes of pixels that are read; larger images are shown by their thumbnail."""

SIZE_SQL = "width * height * channels * if(dtype = 'uint16', 2L, 1L)"
"""Bytes of an image's pixels."""

PICTURES = pa.schema([("image_id", pa.string()), ("png", pa.binary())])


def draw(own: SparkSession, collection: str, sizes: Mapping[str, int]) -> dict[str, bytes]:
    """Draws images as PNG files, at most `SIDE` pixels wide and high.

    Args:
        own: Session with the views ``images`` and ``image_chunks``.
        collection: Name.
        sizes: image_id → bytes of its pixels; a few hundred at most.

    Returns:
        image_id → PNG; without images that cannot be read.
    """
    small = [image_id for image_id, size in sizes.items() if size <= LARGEST]
    parts = (
        select_parts(own, collection, small)
        .repartition("image_id")
        .sortWithinPartitions("image_id", "chunk")
        .mapInArrow(picture_batches, struct_type(PICTURES))  # type: ignore[arg-type]
    )
    drawn = {row["image_id"]: bytes(row["png"]) for row in parts.collect()}
    missing = [image_id for image_id in sizes if image_id not in drawn]
    if missing:
        mine = (F.col("collection") == collection) & F.col("image_id").isin(missing)
        rows = own.table("images").where(mine).select("image_id", "thumbnail").collect()
        drawn |= {row["image_id"]: bytes(row["thumbnail"]) for row in rows if row["thumbnail"]}
    return drawn


def picture_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Runs on executors: rows of `PART_COLUMNS`, sorted by image and chunk, to `PICTURES`."""
    for group in group_parts(batches):
        rows = list(group)
        shape = (rows[0]["height"], rows[0]["width"], rows[0]["channels"])
        try:
            pixels = from_bytes(b"".join(row["data"] for row in rows), shape, rows[0]["dtype"])
        except InputError:
            continue  # chunks are missing: the thumbnail is shown instead
        png = thumbnail(pixels, SIDE) if max(shape[:2]) > SIDE else encode_png(pixels)
        yield pa.RecordBatch.from_pylist(
            [{"image_id": rows[0]["image_id"], "png": png}], schema=PICTURES
        )
