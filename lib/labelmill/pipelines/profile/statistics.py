"""The statistics of a profile, from exact counts."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession

from labelmill.domain.codecs.png.codec import encode_png
from labelmill.domain.profiles.perceptual_hash import SIDE
from labelmill.domain.profiles.profile import UNSPLIT, Quantity
from labelmill.domain.profiles.quantiles import Spread, bars, spread
from labelmill.domain.splits.hashing import SPLITS_SHOWN
from labelmill.pipelines.profile.counts import (
    BYTE_STEPS,
    MEAN_CLASSES,
    STEPS,
    Counts,
    Means,
    count_attributes,
    count_classes,
    count_outside,
    count_shapes,
    count_steps,
    count_totals,
    mean_thumbnails,
)


@dataclass(frozen=True)
class CollectionStatistics:
    """The statistics of a collection, and the counts they come from.

    Args:
        totals: See `count_totals`.
        counts: Quantity → step → images.
        fields: Names and values of the fields of a `Profile`.
        means: Mean thumbnails.
    """

    totals: dict[str, Any]
    counts: Counts
    fields: dict[str, Any]
    means: Means


def describe_collection(
    own: SparkSession, described: DataFrame, collection: str
) -> CollectionStatistics:
    """Counts a collection and derives its statistics.

    Args:
        own: Session with the catalogue's views.
        described: Rows of `DESCRIBED` with ``class``; persisted.
        collection: Name.
    """
    total = count_totals(described)
    if not total["images"]:
        return CollectionStatistics(total, {}, {}, {})
    counts = count_steps(described)
    classes, unlisted = count_classes(described)
    conflicts, quarantined = count_outside(own, collection)
    means = mean_thumbnails(described, list(classes)[:MEAN_CLASSES])
    fields = {
        "images": total["images"],
        "bytes": total["bytes"],
        "file_bytes": file_sizes(total, counts["file_bytes"]),
        "width": spread(counts["width"]),
        "height": spread(counts["height"]),
        "shapes": count_shapes(described),
        "channels": {str(n): images for n, images in sorted(counts["channels"].items())},
        "dtypes": {f"uint{bits}": images for bits, images in sorted(counts["dtype"].items())},
        "classes": {name: sum(splits.values()) for name, splits in classes.items()},
        "other_classes": unlisted,
        "class_splits": classes,
        "without_truth": total["without_truth"],
        "conflicts": conflicts,
        "splits": _splits(counts["split"]),
        **{name: _quantity(counts[name]) for name in ("brightness", "contrast", "ink")},
        "mean_image": mean_image(means),
        "blank": total["blank"],
        "unreadable": total["images"] - total["readable"],
        "quarantined": quarantined,
        "attributes": count_attributes(described) if total["with_attributes"] else {},
        "source_time": time_range(total),
        "in_several_splits": total["in_several_splits"],
    }
    return CollectionStatistics(total, counts, fields, means)


def mean_image(means: Means, name: str | None = None) -> str:
    """A mean thumbnail as PNG in base64; empty where there is none."""
    if name not in means:
        return ""
    grey = np.floor(means[name] + 0.5).astype(np.uint8).reshape(SIDE, SIDE, 1)
    return base64.b64encode(encode_png(grey)).decode()


def _splits(counts: Mapping[int, int]) -> dict[str, int]:
    names = (UNSPLIT, *SPLITS_SHOWN)
    return {names[position]: images for position, images in sorted(counts.items(), reverse=True)}


def file_sizes(total: Mapping[str, Any], counts: Mapping[int, int]) -> Spread:
    """Quantiles to an eighth of a doubling; the extremes and the mean are exact."""
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


def time_range(total: Mapping[str, Any]) -> dict[str, Any] | None:
    """First and last ``source_time``, ISO 8601, and how many images have one; None: none has."""
    if not total["with_time"]:
        return None
    first, last = (_isoformat(total[name]) for name in ("first_time", "last_time"))
    return {"first": first, "last": last, "images": total["with_time"]}


def _isoformat(micros: int) -> str:
    seconds, rest = divmod(micros, 1_000_000)
    whole = datetime.fromtimestamp(seconds, timezone.utc).replace(microsecond=rest)
    return whole.isoformat()
