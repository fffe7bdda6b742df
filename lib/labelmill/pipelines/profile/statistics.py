"""The figures of a profile that are counts: exact, so that the same rows give the same profile."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.domain.codecs.png.codec import encode_png
from labelmill.domain.profiles.perceptual_hash import SIDE
from labelmill.domain.profiles.profile import UNSPLIT, Attribute, Quantity, Shape
from labelmill.domain.profiles.quantiles import Spread, bars, spread
from labelmill.domain.splits.hashing import SPLITS_SHOWN
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
"""What is listed at most: classes, shapes, attributes, classes with a mean image of their own."""

STEPS = 1000
"""Steps of quantities that are 0..1: counting steps is exact, in any order of adding up."""

BYTE_STEPS = 8
"""Steps of file sizes for each doubling."""

DOUBLING = 1000
"""Steps of a number of pixels, and of width to height, for each doubling."""

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
``shape`` width to height, ``dtype`` its bits, ``split`` its place in `SPLITS_SHOWN`, from 1."""

Counts = dict[str, dict[int, int]]
Means = dict[str | None, npt.NDArray[np.float64]]
"""Class → mean thumbnail, ``(1024,)``; None: of all images."""


@dataclass(frozen=True)
class Figures:
    """Everything that is counted.

    Args:
        totals: Row of `totals`.
        counts: Quantity → step → images.
        fields: Names and values of the fields of a `Profile`.
        means: Mean thumbnails.
    """

    totals: dict[str, Any]
    counts: Counts
    fields: dict[str, Any]
    means: Means


def figures(own: SparkSession, described: DataFrame, collection: str) -> Figures:
    """Counts a collection.

    Args:
        own: Session with the catalogue's views.
        described: Rows of `DESCRIBED` with ``class``; persisted.
        collection: Name.
    """
    total = totals(described)
    if not total["images"]:
        return Figures(total, {}, {}, {})
    counts = counted(described)
    classes, others = _classes(described)
    conflicts, quarantined = _outside(own, collection)
    means = mean_thumbnails(described, list(classes)[:MEAN_CLASSES])
    fields = {
        "images": total["images"],
        "bytes": total["bytes"],
        "file_bytes": _file_bytes(total, counts["file_bytes"]),
        "width": spread(counts["width"]),
        "height": spread(counts["height"]),
        "shapes": _shapes(described),
        "channels": {str(n): images for n, images in sorted(counts["channels"].items())},
        "dtypes": {f"uint{bits}": images for bits, images in sorted(counts["dtype"].items())},
        "classes": {name: sum(splits.values()) for name, splits in classes.items()},
        "other_classes": others,
        "class_splits": classes,
        "without_truth": total["without_truth"],
        "conflicts": conflicts,
        "splits": _splits(counts["split"]),
        **{name: _quantity(counts[name]) for name in ("brightness", "contrast", "ink")},
        "mean_image": mean_image(means),
        "blank": total["blank"],
        "unreadable": total["images"] - total["readable"],
        "quarantined": quarantined,
        "attributes": _attributes(described) if total["with_attributes"] else {},
        "source_time": _source_time(total),
    }
    return Figures(total, counts, fields, means)


def totals(described: DataFrame) -> dict[str, Any]:
    """One row of counts over all images."""
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
        F.count("source_micros").alias("with_time"),
        F.min("source_micros").alias("first_time"),
        F.max("source_micros").alias("last_time"),
    ).collect()[0]
    return dict(row.asDict())


def counted(described: DataFrame) -> Counts:
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
    """Mean thumbnails of all images and of classes. Added up on executors, merged there too."""
    summing = partial(sum_batches, classes=frozenset(classes))
    parts = described.select("class", "grey").mapInArrow(summing, struct_type(SUMS))
    merged = parts.repartition("class").mapInArrow(merge_batches, struct_type(SUMS))  # type: ignore[arg-type]
    return {
        row["class"]: np.frombuffer(row["sums"], np.int64) / row["images"]
        for row in merged.collect()
    }


def mean_image(means: Means, name: str | None = None) -> str:
    """A mean thumbnail as a PNG in base64; empty where there is none."""
    if name not in means:
        return ""
    grey = np.floor(means[name] + 0.5).astype(np.uint8).reshape(SIDE, SIDE, 1)
    return base64.b64encode(encode_png(grey)).decode()


def _classes(described: DataFrame) -> tuple[dict[str, dict[str, int]], int]:
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


def _shapes(described: DataFrame) -> list[Shape]:
    columns = ["width", "height", "channels", "dtype"]
    rows = described.groupBy(*columns).count().orderBy(F.desc("count"), *columns)
    return [Shape(*row) for row in rows.limit(MOST_SHAPES).collect()]


def _splits(counts: Mapping[int, int]) -> dict[str, int]:
    names = (UNSPLIT, *SPLITS_SHOWN)
    return {names[place]: images for place, images in sorted(counts.items(), reverse=True)}


def _outside(own: SparkSession, collection: str) -> tuple[int, dict[str, int]]:
    """Conflicts, and quarantined files by reason."""
    mine = f"where collection = {catalogue.literal(collection)}"
    rows = own.sql(
        f"select cast(null as string) reason, count(*) n from truth_conflicts {mine} "
        f"union all select reason, count(*) from quarantine {mine} group by reason"
    ).collect()
    found = {row["reason"]: row["n"] for row in rows}
    conflicts = found.pop(None)
    return conflicts, dict(sorted(found.items()))


def _attributes(described: DataFrame) -> dict[str, Attribute]:
    parts = described.select("attributes").mapInArrow(attribute_batches, struct_type(ATTRIBUTES))  # type: ignore[arg-type]
    rows = parts.groupBy("key", "type").agg(F.sum("images").alias("images"))
    types: dict[str, dict[str, int]] = {}
    for key, kind, images in (
        rows.orderBy(F.desc("images"), "key", "type").limit(MOST_KEYS).collect()
    ):
        types.setdefault(key, {})[kind] = images
    return {key: Attribute(sum(found.values()), found) for key, found in types.items()}


def _file_bytes(total: Mapping[str, Any], counts: Mapping[int, int]) -> Spread:
    """Quantiles to an eighth of a doubling; the ends and the mean are exact."""
    seen = spread(counts)
    least, most = float(total["least_bytes"]), float(total["most_bytes"])
    middle = (seen.q05, seen.q25, seen.median, seen.q75, seen.q95)
    q05, q25, median, q75, q95 = (
        min(most, max(least, float(round(2 ** (step / BYTE_STEPS))))) for step in middle
    )
    mean = round(total["bytes"] / total["images"], 1)
    return Spread(least, q05, q25, median, q75, q95, most, mean)


def _quantity(counts: Mapping[int, int]) -> Quantity:
    return Quantity(spread(counts, 1 / STEPS), bars(counts, STEPS // 20, 20))


def _source_time(total: Mapping[str, Any]) -> dict[str, Any] | None:
    if not total["with_time"]:
        return None
    first, last = (_moment(total[name]) for name in ("first_time", "last_time"))
    return {"first": first, "last": last, "images": total["with_time"]}


def _moment(micros: int) -> str:
    seconds, rest = divmod(micros, 1_000_000)
    whole = datetime.fromtimestamp(seconds, timezone.utc).replace(microsecond=rest)
    return whole.isoformat()
