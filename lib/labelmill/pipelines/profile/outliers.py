"""Outliers, each with its reason. Two passes over thumbnails that are cached anyway.

An outlier has a modified z-score of `FAR` or more: the distance from the median in robust standard
deviations (B. Iglewicz, D. Hoaglin, "How to Detect and Handle Outliers", 1993). ``unlike`` is the
distance of a thumbnail from the mean thumbnail of its class, compared within the class.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from labelmill.domain.profiles.quantiles import Centre, centre
from labelmill.pipelines.profile.counts import BINNED, DOUBLING, STEPS, Counts, Means
from labelmill.pipelines.profile.worker import greys_of
from labelmill.spark.arrow import struct_type

FAR = 3.5
"""Iglewicz and Hoaglin's recommendation."""

LISTED = 8
"""Most images shown per reason."""

LEAST_IMAGES = 10
"""Classes with fewer images are compared with the mean of all images."""

SIMPLE = ("brightness", "contrast", "ink", "area", "shape")
"""Quantities of `BINNED` that can be far outside."""

FEATURES = (*SIMPLE, "unlike")

COUNTED = pa.schema([("class", pa.string()), ("step", pa.int64()), ("images", pa.int64())])

FAR_ROWS = pa.schema(
    [
        ("feature", pa.string()),
        ("image_id", pa.string()),
        ("class", pa.string()),
        ("step", pa.int64()),
        ("score", pa.float64()),
        ("images", pa.int64()),
    ]
)
"""An outlier; or, where image_id is null, how many there are."""


@dataclass(frozen=True)
class Outlier:
    """One outlier.

    Args:
        feature: One of `FEATURES`.
        image_id: Which.
        label: Its class, if known.
        score: Robust standard deviations from the median; negative: below it.
        reason: For people, as a phrase.
    """

    feature: str
    image_id: str
    label: str | None
    score: float
    reason: str


def find_outliers(
    described: DataFrame, counts: Counts, classes: Mapping[str, int], means: Means
) -> tuple[dict[str, int], list[Outlier]]:
    """Finds outliers.

    Args:
        described: Rows of `DESCRIBED` with ``class``; persisted.
        counts: Quantity → step → images.
        classes: Class → images.
        means: Mean thumbnails.

    Returns:
        Feature → number of outliers, and the farthest of each.
    """
    compared = {
        c: mean for c, mean in means.items() if c is None or classes.get(c, 0) >= LEAST_IMAGES
    }
    if not compared:
        return {}, []
    columns = ["image_id", "class", "grey"]
    rows = described.where(F.col("grey").isNotNull()).select(
        *columns, *(F.expr(BINNED[name]).alias(name) for name in SIMPLE)
    )
    shared = described.sparkSession.sparkContext.broadcast(compared)
    try:
        counting = partial(distance_batches, means=shared)
        parts = rows.select("class", "grey").mapInArrow(counting, struct_type(COUNTED))
        unlike: dict[str | None, dict[int, int]] = defaultdict(dict)
        for name, step, images in parts.groupBy("class", "step").agg(F.sum("images")).collect():
            unlike[name][step] = images
        simple = {name: centre(counts[name]) for name in SIMPLE}
        within = {name: centre(steps) for name, steps in unlike.items()}
        finding = partial(far_batches, means=shared, simple=simple, within=within)
        found = rows.mapInArrow(finding, struct_type(FAR_ROWS)).collect()
    finally:
        shared.destroy()
    number: Counter[str] = Counter()
    listed: dict[str, list[Any]] = {name: [] for name in FEATURES}
    for row in found:
        if row["image_id"] is None:
            number[row["feature"]] += row["images"]
        else:
            listed[row["feature"]].append(row)
    shown = []
    for name, group in listed.items():
        for row in sorted(group, key=lambda r: (-abs(r["score"]), r["image_id"]))[:LISTED]:
            middle = simple.get(name) or within[row["class"] if row["class"] in within else None]
            reason = reason_of(name, row["step"], middle, row["class"], row["class"] in within)
            shown.append(Outlier(name, row["image_id"], row["class"], row["score"], reason))
    return {name: number[name] for name in FEATURES if number[name]}, shown


def distance_batches(
    batches: Iterator[pa.RecordBatch], means: Broadcast[Means]
) -> Iterator[pa.RecordBatch]:
    """Runs on executors: columns ``class``, ``grey`` (no nulls) to one batch of `COUNTED`.

    ``class`` is null for images that are compared with the mean of all.
    """
    counts: Counter[tuple[str | None, int]] = Counter()
    for batch in batches:
        names, steps = _unlike(batch, means.value)
        counts.update(zip(names, steps.tolist(), strict=True))
    rows = [{"class": c, "step": step, "images": n} for (c, step), n in counts.items()]
    yield pa.RecordBatch.from_pylist(rows, schema=COUNTED)


def far_batches(
    batches: Iterator[pa.RecordBatch],
    means: Broadcast[Means],
    simple: Mapping[str, Centre],
    within: Mapping[str | None, Centre],
) -> Iterator[pa.RecordBatch]:
    """Runs on executors: images to one batch of `FAR_ROWS`: the farthest, and the number of outliers.

    Args:
        batches: Columns ``image_id``, ``class``, ``grey`` (no nulls) and `SIMPLE`.
        means: Mean thumbnails.
        simple: Feature → its middle.
        within: Class → middle of ``unlike``.
    """
    number: Counter[str] = Counter()
    best: dict[str, list[dict[str, Any]]] = {name: [] for name in FEATURES}
    for batch in batches:
        ids, classes = batch.column("image_id"), batch.column("class")
        for name in FEATURES:
            if name == "unlike":
                groups, steps = _unlike(batch, means.value)
                middles = [within[group] for group in groups]
            else:
                steps = batch.column(name).to_numpy()
                middles = [simple[name]] * len(steps)
            scores = _scores(steps, middles)
            far = np.flatnonzero(np.abs(scores) >= FAR)
            number[name] += len(far)
            for position in far.tolist():
                best[name].append(
                    {
                        "feature": name,
                        "image_id": ids[position].as_py(),
                        "class": classes[position].as_py(),
                        "step": int(steps[position]),
                        "score": float(scores[position]),
                    }
                )
            best[name].sort(key=lambda row: (-abs(row["score"]), row["image_id"]))
            del best[name][LISTED:]
    rows = [row for listed in best.values() for row in listed]
    rows += [{"feature": name, "images": n} for name, n in number.items() if n]
    yield pa.RecordBatch.from_pylist(rows, schema=FAR_ROWS)


def _unlike(batch: pa.RecordBatch, means: Means) -> tuple[list[str | None], npt.NDArray[np.int64]]:
    """What each image is compared with, and its root mean square distance in steps."""
    names = [c if c in means else None for c in batch.column("class").to_pylist()]
    away = greys_of(batch.column("grey")) - np.stack([means[name] for name in names])
    distance = np.sqrt((away * away).mean(axis=1)) / 255
    return names, np.floor(distance * STEPS + 0.5).astype(np.int64)


def _scores(steps: npt.NDArray[np.int64], middles: list[Centre]) -> npt.NDArray[np.float64]:
    table = np.array(middles, np.float64).reshape(-1, 2)
    away = steps - table[:, 0]
    return np.divide(away, table[:, 1], out=np.zeros(len(away)), where=table[:, 1] > 0)


def reason_of(name: str, step: int, middle: Centre, label: str | None, own_mean: bool) -> str:
    """Why an image is an outlier, as a phrase.

    Args:
        name: One of `FEATURES`.
        step: The image's value, in steps of `BINNED`.
        middle: Of the images that it is compared with.
        label: Its class, if known.
        own_mean: Whether its class has a mean of its own.
    """
    if name == "area":
        times = 2.0 ** ((step - middle.median) / DOUBLING)
        size = f"{_round(times)} times" if times >= 1 else f"1/{_round(1 / times)} of"
        return f"{size} the usual number of pixels"
    if name == "shape":
        return f"{_ratio(step)} wide to high, usual is {_ratio(int(middle.median))}"
    if name == "unlike":
        whom = f"class {label}" if own_mean and label is not None else "all images"
        return (
            f"unlike the mean of {whom}: {step / STEPS:.2f}, usual is {middle.median / STEPS:.2f}"
        )
    return f"{name} {step / STEPS:.2f}, usual is {middle.median / STEPS:.2f}"


def _ratio(step: int) -> str:
    return f"{2.0 ** (step / DOUBLING):.2f}"


def _round(times: float) -> str:
    return f"{times:,.0f}" if times >= 10 else f"{times:.1f}"
