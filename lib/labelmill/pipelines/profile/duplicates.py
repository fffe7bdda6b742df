"""Exact and near duplicates, found without comparing all images with all.

Same pixels: see `labelmill.pipelines.profile.exact_duplicates`. Similar looks: see
`labelmill.domain.profiles.near_pairs`; a sort by key on executors replaces the hash tables there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.domain.profiles.near_groups import (
    Edges,
    NearGroups,
    Nodes,
    leaks,
    near_groups,
)
from labelmill.domain.profiles.profile import Duplicates
from labelmill.domain.splits.hashing import SPLITS_SHOWN
from labelmill.pipelines.profile.duplicates_worker import (
    BANDED,
    PAIRS,
    band_batches,
    pair_batches,
)
from labelmill.pipelines.profile.exact_duplicates import find_candidates, pixel_digests
from labelmill.spark.arrow import struct_type

LISTED = 12
"""Most groups that are shown."""

MOST_PAIRS = 200_000
"""Near pairs that the driver groups, the most alike first: about 50 MB."""


@dataclass(frozen=True)
class ExactGroup:
    """Files with the same pixels, represented by two of them."""

    images: int
    first: str
    last: str
    classes_differ: bool


@dataclass(frozen=True)
class FoundDuplicates:
    """Duplicates of a collection.

    Args:
        exact: Counts.
        near: Counts.
        exact_groups: The largest.
        near_groups: All near groups; ids of nodes are keys of ``names``.
        names: Node → image_id, for the groups that are listed.
        skipped: Images that were not compared with all candidates.
        pairs: Near pairs found.
    """

    exact: Duplicates
    near: Duplicates
    exact_groups: list[ExactGroup]
    near_groups: NearGroups
    names: dict[int, str]
    skipped: int
    pairs: int


def find_duplicates(
    own: SparkSession, described: DataFrame, collection: str, distance: int, least: float
) -> FoundDuplicates:
    """Finds exact and near duplicates.

    Args:
        own: Session with the views ``images`` and ``image_chunks``.
        described: Rows of `DESCRIBED` with ``class``; persisted.
        collection: Name.
        distance: Most bits in which hashes of a near pair differ.
        least: Least likeness of a near pair.
    """
    digests = pixel_digests(own, find_candidates(described), collection)
    looks = _looks(described, digests).persist()
    try:
        exact, exact_groups = _exact(looks) if digests is not None else (Duplicates(), [])
        pairs = _pairs(looks, distance, least).persist()
        try:
            groups, names, skipped, count = _near(looks, pairs)
        finally:
            pairs.unpersist()
    finally:
        looks.unpersist()
        if digests is not None:
            digests.unpersist()
    near = Duplicates(
        groups=groups.groups,
        images=groups.images,
        classes_differ=groups.classes_differ,
        leaks=groups.leaks,
        complete=not skipped and count <= MOST_PAIRS,
    )
    return FoundDuplicates(exact, near, exact_groups, groups, names, skipped, count)


def _looks(described: DataFrame, digests: DataFrame | None) -> DataFrame:
    """One row per group of images with the same pixels.

    Columns: ``look`` (a number, because image_ids are long and each goes into many rows), ``image_id``,
    ``last``, ``images``, the three splits, ``low`` and ``high`` (class), ``hash``, ``outline``.
    """
    rows = described.select("image_id", "split", "class", "hash", "outline")
    look = F.xxhash64("image_id").alias("look")
    if digests is None:
        ones = [F.when(F.col("split") == name, 1).otherwise(0).alias(name) for name in SPLITS_SHOWN]
        classes = [F.col("class").alias(name) for name in ("low", "high")]
        last, images = F.col("image_id").alias("last"), F.lit(1).alias("images")
        return rows.select(look, "image_id", last, images, *ones, *classes, "hash", "outline")
    same = rows.join(digests, "image_id", "left").groupBy(
        F.coalesce(F.hex("digest"), F.col("image_id"))
    )
    grouped = same.agg(
        F.min("image_id").alias("image_id"),
        F.max("image_id").alias("last"),
        F.count("*").alias("images"),
        *(F.count_if(F.col("split") == name).alias(name) for name in SPLITS_SHOWN),
        F.min("class").alias("low"),
        F.max("class").alias("high"),
        F.min("hash").alias("hash"),
        F.min("outline").alias("outline"),
    )
    return grouped.select(look, *grouped.columns[1:])


def _exact(looks: DataFrame) -> tuple[Duplicates, list[ExactGroup]]:
    several = looks.where("images > 1")
    differ = F.col("low") != F.col("high")
    # Grouped by which splits they are in, so few rows come back.
    flags = [F.col(name) > 0 for name in SPLITS_SHOWN]
    rows = (
        several.groupBy(
            *(flag.alias(f"in_{n}") for flag, n in zip(flags, SPLITS_SHOWN, strict=True))
        )
        .agg(
            F.count("*").alias("groups"),
            F.sum("images").alias("images"),
            F.count_if(differ).alias("differ"),
            *(F.sum(name).alias(name) for name in SPLITS_SHOWN),
        )
        .collect()
    )
    splits = np.array([[row[name] for name in SPLITS_SHOWN] for row in rows], np.int64).reshape(
        -1, 3
    )
    if not rows:
        return Duplicates(), []
    found = Duplicates(
        groups=sum(row["groups"] for row in rows),
        images=sum(row["images"] for row in rows),
        classes_differ=sum(row["differ"] for row in rows),
        leaks=leaks(splits),
    )
    order = [F.desc(F.coalesce(differ, F.lit(False))), F.desc("images"), F.col("image_id")]
    listed = several.orderBy(*order).limit(LISTED).collect()
    return found, [
        ExactGroup(r["images"], r["image_id"], r["last"], r["low"] != r["high"]) for r in listed
    ]


def _pairs(looks: DataFrame, distance: int, least: float) -> DataFrame:
    banded = (
        looks.where(F.col("hash").isNotNull())
        .select("look", "hash", "outline")
        .mapInArrow(partial(band_batches, distance=distance), struct_type(BANDED))
    )
    # Sorted by the look too, so that a run that is too long is always compared in the same way.
    sorted_ = banded.repartition("key").sortWithinPartitions("key", "hash", "look")
    found = sorted_.mapInArrow(
        partial(pair_batches, distance=distance, least=least), struct_type(PAIRS)
    )
    return found.groupBy("a", "b").agg(
        F.min("distance").alias("distance"),
        F.max("likeness").alias("likeness"),
        F.sum("skipped").alias("skipped"),
    )


def _near(looks: DataFrame, pairs: DataFrame) -> tuple[NearGroups, dict[int, str], int, int]:
    """Groups, image_ids of the listed nodes, number of images skipped, number of pairs."""
    # Rows whose a is null come first: they count what was skipped.
    order = [F.col("a").isNotNull(), F.desc("likeness"), F.col("distance"), F.col("a"), F.col("b")]
    table = _arrow(pairs.orderBy(*order).limit(MOST_PAIRS + 2))
    skipped = pc.sum(table["skipped"]).as_py() or 0
    table = table.filter(pc.is_valid(table["a"])).drop_columns("skipped")
    count = len(table) if len(table) <= MOST_PAIRS else pairs.where(F.col("a").isNotNull()).count()
    edges = _edges(table.slice(0, MOST_PAIRS))
    ids = np.union1d(edges.a, edges.b)
    ends = looks.sparkSession.createDataFrame(pd.DataFrame({"look": ids}), "look long")
    rows = looks.join(ends, "look", "left_semi")
    named = _arrow(rows.select("look", "image_id", "images", *SPLITS_SHOWN, "low", "high"))
    groups = near_groups(_nodes(named), edges, LISTED)
    shown = {end for g in (*groups.largest, *groups.disputed) for end in (g.a, g.b)}
    listed = named.filter(pc.is_in(named["look"], pa.array(sorted(shown), pa.int64())))
    names = dict(zip(listed["look"].to_pylist(), listed["image_id"].to_pylist(), strict=True))
    return groups, names, skipped, count


def _nodes(table: pa.Table) -> Nodes:
    table = table.sort_by("look")
    return Nodes(
        ids=table["look"].to_numpy().astype(np.int64),
        images=table["images"].to_numpy().astype(np.int64),
        splits=np.stack([table[name].to_numpy() for name in SPLITS_SHOWN], axis=1).astype(np.int64),
        low=np.array(table["low"].to_pylist(), object),
        high=np.array(table["high"].to_pylist(), object),
    )


def _edges(table: pa.Table) -> Edges:
    table = table.sort_by([("a", "ascending"), ("b", "ascending")])
    return Edges(
        a=table["a"].to_numpy().astype(np.int64),
        b=table["b"].to_numpy().astype(np.int64),
        distance=table["distance"].to_numpy().astype(np.int64),
        likeness=table["likeness"].to_numpy().astype(np.float64),
    )


def _arrow(df: DataFrame) -> pa.Table:
    batches = df._collect_as_arrow()
    if batches:
        return pa.Table.from_batches(batches)
    # Without rows there may be no batch, and so no columns.
    return pa.table({name: pa.array([], pa.int64()) for name in df.columns})
