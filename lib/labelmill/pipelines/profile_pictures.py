"""The few images that a profile's page shows, as small PNG files; made on executors."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from labelmill.domain.codecs.png import encode_png
from labelmill.domain.image import from_bytes, thumbnail
from labelmill.errors import InputError
from labelmill.pipelines.near_rows import whole_images
from labelmill.pipelines.same_pixels import image_parts

SIDE = 96
"""Pixels of a picture at most, wide and high."""

LARGEST = 32 << 20
"""Bytes of pixels; larger images are shown by their thumbnail, which is small."""

SIZE_SQL = "width * height * channels * if(dtype = 'uint16', 2L, 1L)"
"""Bytes of an image's pixels."""

MOST = 400
"""Pictures of a page: some megabytes, and a list that Kudu can filter by."""

EXAMPLES, EXAMPLE_CLASSES = 6, 30
"""Examples of each class, and classes that have any."""

PICTURES = pa.schema([("image_id", pa.string()), ("png", pa.binary())])
PICTURES_SQL = "image_id string, png binary"


@dataclass(frozen=True)
class Shown:
    """One image of the page.

    Args:
        image_id: Which.
        uri: Path of the file below the ingested root.
        klass: Its class, if known.
        split: Its split, if any.
        width: Pixels of the image, not of the picture.
        height: Pixels of the image.
        png: At most `SIDE` pixels wide and high; None: cannot be read.
    """

    image_id: str
    uri: str
    klass: str | None
    split: str | None
    width: int
    height: int
    png: bytes | None


def pictures(
    own: SparkSession, described: DataFrame, collection: str, ids: Collection[str]
) -> dict[str, Shown]:
    """Pictures of images.

    Args:
        own: Session with the views ``images`` and ``image_chunks``.
        described: Rows of `DESCRIBED` with ``class``; persisted.
        collection: Name.
        ids: Which; the first `MOST` count.

    Returns:
        image_id → what is shown of it.
    """
    wanted = list(dict.fromkeys(ids))[:MOST]
    if not wanted:
        return {}
    columns = ["image_id", "uri", "class", "split", "width", "height"]
    size = F.expr(SIZE_SQL).alias("size")
    known = described.where(F.col("image_id").isin(wanted)).select(*columns, size).collect()
    drawn = draw(own, collection, {row["image_id"]: row["size"] for row in known})
    return {
        row["image_id"]: Shown(
            image_id=row["image_id"],
            uri=row["uri"],
            klass=row["class"],
            split=row["split"],
            width=row["width"],
            height=row["height"],
            png=drawn.get(row["image_id"]),
        )
        for row in known
    }


def draw(own: SparkSession, collection: str, sizes: Mapping[str, int]) -> dict[str, bytes]:
    """PNG files of images, at most `SIDE` pixels wide and high.

    Args:
        own: Session with the views ``images`` and ``image_chunks``.
        collection: Name.
        sizes: image_id → bytes of its pixels; a few hundred at most.

    Returns:
        image_id → PNG; without those that cannot be read.
    """
    small = [image_id for image_id, size in sizes.items() if size <= LARGEST]
    parts = (
        image_parts(own, collection, small)
        .repartition("image_id")
        .sortWithinPartitions("image_id", "chunk")
        .mapInArrow(picture_batches, PICTURES_SQL)  # type: ignore[arg-type]
    )
    drawn = {row["image_id"]: bytes(row["png"]) for row in parts.collect()}
    missing = [image_id for image_id in sizes if image_id not in drawn]
    if missing:
        mine = (F.col("collection") == collection) & F.col("image_id").isin(missing)
        rows = own.table("images").where(mine).select("image_id", "thumbnail").collect()
        drawn |= {row["image_id"]: bytes(row["thumbnail"]) for row in rows if row["thumbnail"]}
    return drawn


def examples(described: DataFrame, classes: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The first `EXAMPLES` image_ids of each class, and of the blank images.

    Ids are hashes, so the first ones are a fair draw.
    """
    wanted = classes[:EXAMPLE_CLASSES]
    first = Window.partitionBy("blank", "class").orderBy("image_id")
    blank = F.col("std") == 0
    rows = (
        described.where(blank | F.col("class").isin(wanted))
        .select("image_id", F.explode(F.array(F.lit(False), blank)).alias("blank"), "class")
        .distinct()
        .select(
            "image_id",
            "blank",
            F.when(~F.col("blank"), F.col("class")).alias("class"),
        )
        .select("*", F.row_number().over(first).alias("nth"))
        .where(F.col("nth") <= EXAMPLES)
        .orderBy("image_id")
        .collect()
    )
    found: dict[str, list[str]] = {name: [] for name in wanted}
    for row in rows:
        if not row["blank"] and row["class"] in found:
            found[row["class"]].append(row["image_id"])
    return found, [row["image_id"] for row in rows if row["blank"]]


def picture_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Runs on executors: rows of `PARTS`, sorted by image and chunk, to `PICTURES`."""
    for group in whole_images(batches):
        rows = list(group)
        shape = (rows[0]["height"], rows[0]["width"], rows[0]["channels"])
        try:
            pixels = from_bytes(b"".join(row["data"] for row in rows), shape, rows[0]["dtype"])
        except InputError:
            continue  # chunks are missing: the thumbnail stands for it
        png = thumbnail(pixels, SIDE) if max(shape[:2]) > SIDE else encode_png(pixels)
        yield pa.RecordBatch.from_pylist(
            [{"image_id": rows[0]["image_id"], "png": png}], schema=PICTURES
        )
