"""Counts over the images of a collection, made on executors: exact, so equal rows give equal profiles."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.domain.profiles.profile import UNSPLIT, Attribute, Shape
from labelmill.domain.splits.hashing import SPLITS_SHOWN
from labelmill.domain.splits.held_out import ALSO_IN
from labelmill.pipelines.profile.worker import (
    ATTRIBUTES,
    SUMS,
    attribute_batches,
    merge_batches,
    sum_batches,
)
from labelmill.spark.arrow import struct_type
from labelmill.sql import catalogue

MOST_CLASSES, MOST_SHAPES, MOST_KEYS, MEAN_CLASSES = 10_000, 40, 500, 100
"""Most classes, shapes and attributes that are listed, and classes with a mean image of their own."""

STEPS = 1000
"""Steps of quantities that are 0..1: counts of steps are exact, whatever the order of summing."""

BYTE_STEPS = 8
"""Steps of file sizes per doubling."""

DOUBLING = 1000
"""Steps of the number of pixels, and of width to height, per doubling."""

BINNED: Mapping[str, str] = {
    "brightness": f"cast(floor(cast(mean as double) * {STEPS} + 0.5) as long)",
    "contrast": f"cast(floor(cast(std as double) * {STEPS} + 0.5) as long)",
    "ink": f"cast(floor(cast(ink as double) * {STEPS} + 0.5) as long)",
    "width": "cast(width as long)",
    "height": "cast(height as long)",
    "area": f"cast(floor(log2(cast(width as double) * height) * {DOUBLING} + 0.5) as long)",
    "shape": f"cast(floor(log2(cast(width as double) / height) * {DOUBLING} + 0.5) as long)",
    "channels": "cast(channels as long)",
    "dtype": "if(dtype = 'uint16', 16L, 8L)",
    "split": f"cast(array_position(array({', '.join(repr(s) for s in SPLITS_SHOWN)}), split) as long)",
    "file_bytes": f"cast(floor(log2(greatest(bytes, 1)) * {BYTE_STEPS}) as long)",
}
"""Quantities counted in whole steps, as SQL over `DESCRIBED`; ``area`` is the number of pixels,
``shape`` width to height, ``dtype`` its bits, ``split`` its position in `SPLITS_SHOWN`, from 1."""

Counts = dict[str, dict[int, int]]
"""Quantity → step → images."""

Means = dict[str | None, npt.NDArray[np.float64]]
"""Class → mean thumbnail, ``(1024,)``; None: of all images."""


def count_totals(described: DataFrame) -> dict[str, Any]:
    """One row of counts over all images, by name."""
    row = described.agg(
        F.count("*").alias("images"),
        F.coalesce(F.sum("bytes"), F.lit(0)).alias("bytes"),
        F.min("bytes").alias("least_bytes"),
        F.max("bytes").alias("most_bytes"),
        F.count("grey").alias("readable"),
        F.count_if(F.col("std") == 0).alias("blank"),
        F.count_if(F.col("class").isNull()).alias("without_truth"),
        F.count("split").alias("with_split"),
        F.count("attributes").alias("with_attributes"),
        F.count(F.get_json_object("attributes", f"$.{ALSO_IN}")).alias("in_several_splits"),
        F.count("source_micros").alias("with_time"),
        F.min("source_micros").alias("first_time"),
        F.max("source_micros").alias("last_time"),
    ).collect()[0]
    return dict(row.asDict())


def count_steps(described: DataFrame) -> Counts:
    """How many images have each step of each quantity of `BINNED`, in one pass."""
    pairs = F.array(
        *(
            F.struct(F.lit(name).alias("name"), F.expr(sql).alias("step"))
            for name, sql in BINNED.items()
        )
    )
    rows = (
        described.select(F.explode(pairs).alias("one"))
        .groupBy("one.name", "one.step")
        .count()
        .collect()
    )
    counts: Counts = {name: {} for name in BINNED}
    for name, step, n in rows:
        counts[name][step or 0] = n
    return counts


def mean_thumbnails(described: DataFrame, classes: Collection[str]) -> Means:
    """Mean thumbnails of all images and of classes; summed and merged on executors."""
    summing = partial(sum_batches, classes=frozenset(classes))
    parts = described.select("class", "grey").mapInArrow(summing, struct_type(SUMS))
    merged = parts.repartition("class").mapInArrow(merge_batches, struct_type(SUMS))  # type: ignore[arg-type]
    return {
        row["class"]: np.frombuffer(row["sums"], np.int64) / row["images"]
        for row in merged.collect()
    }


def count_classes(described: DataFrame) -> tuple[dict[str, dict[str, int]], int]:
    """Class → split → images, the most frequent first; and how many classes are not listed."""
    split = F.when(F.col("split").isin(*SPLITS_SHOWN), F.col("split")).otherwise(UNSPLIT)
    known = described.where(F.col("class").isNotNull()).groupBy("class")
    names = (*SPLITS_SHOWN, UNSPLIT)
    table = known.agg(
        F.count("*").alias("all"), *(F.count_if(split == name).alias(name) for name in names)
    )
    rows = table.orderBy(F.desc("all"), "class").limit(MOST_CLASSES).collect()
    others = 0
    if len(rows) == MOST_CLASSES:
        others = max(0, table.count() - MOST_CLASSES)
    listed = {row["class"]: {s: row[s] for s in names if row[s]} for row in rows}
    return listed, others


def count_shapes(described: DataFrame) -> list[Shape]:
    """The most frequent shapes."""
    columns = ["width", "height", "channels", "dtype"]
    rows = described.groupBy(*columns).count().orderBy(F.desc("count"), *columns)
    return [Shape(*row) for row in rows.limit(MOST_SHAPES).collect()]


def count_outside(own: SparkSession, collection: str) -> tuple[int, dict[str, int]]:
    """What is not in the described rows: conflicts, and quarantined files by reason."""
    mine = f"where collection = {catalogue.literal(collection)}"
    rows = own.sql(
        f"select cast(null as string) reason, count(*) n from truth_conflicts {mine} "
        f"union all select reason, count(*) from quarantine {mine} group by reason"
    ).collect()
    found = {row["reason"]: row["n"] for row in rows}
    conflicts = found.pop(None)
    return conflicts, dict(sorted(found.items()))


def count_attributes(described: DataFrame) -> dict[str, Attribute]:
    """Key → how many images have it, by type; the most frequent keys."""
    parts = described.select("attributes").mapInArrow(attribute_batches, struct_type(ATTRIBUTES))  # type: ignore[arg-type]
    rows = parts.groupBy("key", "type").agg(F.sum("images").alias("images"))
    types: dict[str, dict[str, int]] = {}
    for key, kind, images in (
        rows.orderBy(F.desc("images"), "key", "type").limit(MOST_KEYS).collect()
    ):
        types.setdefault(key, {})[kind] = images
    return {key: Attribute(sum(found.values()), found) for key, found in types.items()}
