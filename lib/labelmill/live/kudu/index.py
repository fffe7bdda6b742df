"""The answer to a query as an index: which images, and what is learned from each.

Only keys and targets leave Spark; pixels are read later, by whoever learns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.errors import InputError, NoData, UnknownName
from labelmill.feed.files.columns import Target
from labelmill.feed.files.target_columns import find_target
from labelmill.settings import Settings
from labelmill.spark.errors import room_for_rows
from labelmill.sql import catalogue
from labelmill.store.spark.errors import spark_errors

_SHOWN = 3


class Index(NamedTuple):
    """Rows of an answer.

    Args:
        target: What is learned.
        classes: In the order of class indices.
        rows: Sorted by ``collection`` and ``image_id``; for the target ``class``, ``classes``, or
            ``mask_collection`` and ``mask_id``, all text.
    """

    target: Target
    classes: tuple[str, ...]
    rows: pa.Table


def ask(
    spark: SparkSession,
    settings: Settings,
    sql: str,
    snapshot_ms: int,
    parameters: Mapping[str, str],
    classes: Sequence[str] | None,
    no_target: bool,
) -> Index:
    """Asks Spark for keys and targets.

    Raises:
        QueryRefused: The query does more than read, or would not answer the same again.
        UnknownName: An unknown view, column or parameter.
        NoData: The query has no rows.
        InputError: See `index_of` and `target_of`; a snapshot older than Kudu's history; more rows
            than the driver takes.
        StoreError: Kudu refused.
    """
    df = catalogue.query(
        spark, settings, sql, snapshot_ms, repeatable=True, parameters=dict(parameters)
    )
    target = target_of(df.columns, no_target)
    # Spark leaves out what is not asked for: no pixels are read, whatever the query selects.
    answer = _narrowed(df, target)
    with spark_errors("asking which images", settings), room_for_rows():
        batches = answer._collect_as_arrow()
    table = pa.Table.from_batches(batches) if batches else pa.table({})
    return index_of(table, target, classes)


def index_of(answer: pa.Table, target: Target, classes: Sequence[str] | None = None) -> Index:
    """An answer as it is kept: looked over, and in order.

    Args:
        answer: ``collection``, ``image_id`` and the target's columns, as text.
        target: What is learned.
        classes: Their order; those that occur, sorted, when ``None``.

    Raises:
        NoData: No rows.
        InputError: Rows without id or target, images that are there twice, labels that are not in
            `classes`.
    """
    if not answer.num_rows:
        raise NoData(
            "the query has no rows; look at what is there with "
            'labelmill sql "select collection, count(*) from images group by collection"'
        )
    for name in answer.column_names:
        if missing := answer[name].null_count:
            raise InputError(
                f"{missing:,} of {answer.num_rows:,} rows have no {name}; add `where {name} is not null`"
                + (", or join the view truth with an inner join" if name == "class" else "")
            )
    rows = answer.sort_by([("collection", "ascending"), ("image_id", "ascending")]).combine_chunks()
    _refuse_twins(rows)
    if target not in ("class", "classes"):
        return Index(target, (), rows)
    told = rows[target].combine_chunks()
    told = told if target == "class" else told.flatten()
    order = sorted(pc.unique(told).to_pylist()) if classes is None else list(classes)
    outside = told.filter(pc.invert(pc.is_in(told, value_set=pa.array(order, pa.string()))))
    if len(outside):
        counts = pc.value_counts(outside).to_pylist()
        shown = ", ".join(f"{one['values']!r} ({one['counts']:,}×)" for one in counts[:_SHOWN])
        raise InputError(
            f"labels that are not in the class list: {shown}"
            f"{' and others' if len(counts) > _SHOWN else ''}; the list is {', '.join(order)}"
        )
    return Index(target, tuple(order), rows)


def _narrowed(df: DataFrame, target: Target) -> DataFrame:
    text = [F.col(name).cast("string").alias(name) for name in ("collection", "image_id")]
    if target == "class":
        text.append(F.col("class").cast("string").alias("class"))
    elif target == "classes":
        cast = F.col("classes").cast("array<string>")
        text.append(F.array_sort(F.array_distinct(F.array_compact(cast))).alias("classes"))
    elif target == "mask":
        given = "mask_collection" if "mask_collection" in df.columns else "collection"
        text.append(F.col(given).cast("string").alias("mask_collection"))
        text.append(F.col("mask_id").cast("string").alias("mask_id"))
    return df.select(*text)


def _refuse_twins(rows: pa.Table) -> None:
    ids, collections = rows["image_id"].combine_chunks(), rows["collection"].combine_chunks()
    same = pc.and_(pc.equal(ids[1:], ids[:-1]), pc.equal(collections[1:], collections[:-1]))
    places = np.flatnonzero(same.to_numpy(zero_copy_only=False))
    if len(places):
        twice = sorted({f"{collections[i]}/{str(ids[i])[:12]}" for i in places.tolist()[:50]})
        raise InputError(
            f"the query gives images more than once: {', '.join(twice[:_SHOWN])}; a join that matches "
            "several rows does this (the view truth has one class an image)"
        )


def target_of(columns: Sequence[str], no_target: bool = False) -> Target:
    """What is learned from an answer with these columns.

    Raises:
        UnknownName: No collection or image_id among them.
        InputError: Several targets, or none where one is expected.
    """
    for name in ("collection", "image_id"):
        if name not in columns:
            raise UnknownName(
                f"column: batches straight from Kudu are of images and need {name!r}; the query gives",
                name,
                columns,
            )
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise InputError(f"the query gives {', '.join(twice)} more than once; name each once")
    target = find_target(columns)
    if target is None and not no_target:
        raise InputError(
            "the query gives nothing to learn: expected a column class, classes or mask_id (pass "
            f"no_target=True for images alone); it gives {', '.join(columns)}"
        )
    return target or "none"
