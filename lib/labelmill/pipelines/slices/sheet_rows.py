"""Rows of a slice for a contact sheet: counted, sampled, and drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pyspark.sql import Column, DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as F

from labelmill.domain.codecs.png.codec import decode_png, encode_png
from labelmill.pipelines.previews import SIZE_SQL, draw
from labelmill.pipelines.slices.sheet_columns import SheetColumns

LEAST_EACH = 4
"""Fewest rows per class shown."""

CLASSES = 500
"""Classes in the table of counts; the others are summed."""

LETTERS = 120
"""Most characters shown of a value; texts may be of any length."""


@dataclass(frozen=True)
class Counted:
    """Counts of a whole slice.

    Attributes:
        of_classes: Class, split, rows; for the `CLASSES` largest classes.
        of_splits: Split, rows.
        classes: Number of classes; rows without one count as a class.
    """

    of_classes: Sequence[tuple[str | None, str | None, int]]
    of_splits: Sequence[tuple[str | None, int]]
    classes: int


def normalize_columns(answer: DataFrame, columns: SheetColumns) -> DataFrame:
    """Brings the columns of any slice into one form.

    Returns:
        ``collection``, ``id``, ``classes`` (array; empty: none), ``split``, ``mask``, ``mask_in``
        (ids; null: none), ``facts`` (array of text, in the order of ``columns.facts``).
    """
    none = F.array().cast("array<string>")
    nothing, empty = F.lit(None).cast("string"), F.lit("")
    classes = none
    if columns.several:
        given = F.col("classes").cast("array<string>")
        classes = F.coalesce(F.array_sort(F.array_compact(F.array_distinct(given))), none)
    elif columns.label is not None:
        given = F.col(f"`{columns.label}`").cast("string")
        classes = F.when(given.isNotNull(), F.array(given)).otherwise(none)
    mask_in = F.col("mask_collection") if columns.mask_collection else nothing
    return answer.select(
        F.coalesce(_text("collection"), empty).alias("collection"),
        F.coalesce(_text(columns.id), empty).alias("id"),
        classes.alias("classes"),
        (_text("split") if columns.split else nothing).alias("split"),
        (_text("mask_id") if columns.mask else nothing).alias("mask"),
        F.coalesce(mask_in.cast("string"), _text("collection")).alias("mask_in"),
        F.array(*(F.substring(_text(name), 1, LETTERS + 1) for name in columns.facts))
        .cast("array<string>")
        .alias("facts"),
    )


def _text(name: str) -> Column:
    return F.col(f"`{name}`").cast("string")


def sample_rows(rows: DataFrame, columns: SheetColumns, most: int) -> list[Row]:
    """Samples rows by a hash of their ids: per class where rows have one class, else overall.

    Args:
        rows: From `normalize_columns`.
        columns: Of the query.
        most: Most rows in total; the smallest classes are left out so that each gets `LEAST_EACH`.
    """
    by_hash = [F.xxhash64("id"), F.col("id")]
    if columns.several or columns.label is None:
        return rows.orderBy(*by_hash).limit(most).collect()
    alone = rows.withColumn("label", F.get("classes", F.lit(0)))
    largest = alone.groupBy("label").count().orderBy(F.desc("count"), "label")
    shown = [row["label"] for row in largest.limit(most // LEAST_EACH).collect()]
    each = most // len(shown)
    wanted = F.col("label").isin([name for name in shown if name is not None])
    if None in shown:
        wanted = F.col("label").isNull() | wanted
    nth = F.row_number().over(Window.partitionBy("label").orderBy(*by_hash))
    first = alone.where(wanted).withColumn("nth", nth).where(F.col("nth") <= each)
    return first.orderBy("label", "nth").collect()


def count(rows: DataFrame) -> Counted:
    """Counts rows (of `normalize_columns`) in Spark."""
    splits = rows.groupBy("split").count().collect()
    each = rows.select(F.explode_outer("classes").alias("label"), "split")
    counts = each.groupBy("label", "split").count().persist()
    try:
        by_class = counts.groupBy("label").agg(F.sum("count").alias("rows"))
        classes = by_class.count()
        largest = by_class.orderBy(F.desc("rows"), "label").limit(CLASSES)
        same = largest["label"].eqNullSafe(counts["label"])
        found = counts.join(largest, same, "left_semi").collect()
    finally:
        counts.unpersist()
    return Counted(
        [(row["label"], row["split"], row["count"]) for row in found],
        [(row["split"], row["count"]) for row in splits],
        classes,
    )


def count_rows(rows: Sequence[Row]) -> Counted:
    """Counts rows (of `normalize_columns`) that are on the driver."""
    each = Counter((name, row["split"]) for row in rows for name in row["classes"] or [None])
    return Counted(
        [(name, split, count) for (name, split), count in each.items()],
        list(Counter(row["split"] for row in rows).items()),
        len({name for name, _ in each}),
    )


Key = tuple[str, str]
"""Collection and image_id."""


@dataclass(frozen=True)
class Pictures:
    """PNG files of images, and of masks, by `Key`."""

    images: Mapping[Key, bytes]
    masks: Mapping[Key, bytes]


def pictures_of(own: SparkSession, images: Collection[Key], masks: Collection[Key]) -> Pictures:
    """Draws the pictures of a few hundred images and masks.

    Args:
        own: Session with the views ``images`` and ``image_chunks``.
        images: Keys; those missing from the catalogue get no picture.
        masks: Keys.
    """
    sample_rows: dict[Key, bytes] = {}
    both = {*images, *masks}
    for collection in sorted({key[0] for key in both}):
        ids = sorted(key[1] for key in both if key[0] == collection)
        mine = (F.col("collection") == collection) & F.col("image_id").isin(ids)
        size = F.expr(SIZE_SQL).alias("size")
        known = own.table("images").where(mine).select("image_id", size).collect()
        found = draw(own, collection, {row["image_id"]: row["size"] for row in known})
        sample_rows |= {(collection, image_id): png for image_id, png in found.items()}
    return Pictures(
        {key: sample_rows[key] for key in images if key in sample_rows},
        {key: stretch_contrast(sample_rows[key]) for key in masks if key in sample_rows},
    )


def stretch_contrast(png: bytes) -> bytes:
    """Scales a mask so that its largest value is white; values 0, 1, 2 … look black otherwise.

    Args:
        png: 8 or 16 bits per sample.
    """
    pixels = decode_png(png)
    most = int(pixels.max(initial=0))
    if most in (0, np.iinfo(pixels.dtype).max):
        return png
    return encode_png((pixels.astype(np.float32) * (255.0 / most)).astype(np.uint8))
