"""The answer to a query as an index: which images, and the target of each.

Only keys and targets leave Spark; pixels are read later, by the processes that train.
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


class PlanIndex(NamedTuple):
    """Keys and targets of a query's rows.

    Args:
        target: Kind of target.
        classes: In the order of class indices.
        rows: Sorted by ``collection`` and ``image_id``; for the target ``class``, ``classes``, or
            ``mask_collection`` and ``mask_id``; all text.
    """

    target: Target
    classes: tuple[str, ...]
    rows: pa.Table


def query_index(
    spark: SparkSession,
    settings: Settings,
    sql: str,
    snapshot_ms: int,
    parameters: Mapping[str, str],
    classes: Sequence[str] | None,
    no_target: bool,
) -> PlanIndex:
    """Has Spark answer the query with keys and targets only.

    Raises:
        QueryRefused: The query does more than read, or may give another answer when it runs again.
        UnknownName: An unknown view, column or parameter.
        NoData: The query has no rows.
        InputError: See `build_index` and `require_target`; a snapshot older than Kudu's history;
            more rows than the driver accepts.
        StoreError: Kudu refused.
    """
    df = catalogue.query(
        spark, settings, sql, snapshot_ms, repeatable=True, parameters=dict(parameters)
    )
    target = require_target(df.columns, no_target)
    # Spark prunes unused columns: it reads no pixels, whatever the query selects.
    answer = _select_keys_and_target(df, target)
    with spark_errors("asking which images", settings), room_for_rows():
        batches = answer._collect_as_arrow()
    table = pa.Table.from_batches(batches) if batches else pa.table({})
    return build_index(table, target, classes)


def build_index(
    answer: pa.Table, target: Target, classes: Sequence[str] | None = None
) -> PlanIndex:
    """Checks an answer and sorts it.

    Args:
        answer: ``collection``, ``image_id`` and the target's columns, as text.
        target: Kind of target.
        classes: In the order of class indices; the ones that occur, sorted, when None.

    Raises:
        NoData: No rows.
        InputError: Rows without id or target, duplicate images, labels that are not in `classes`.

    Example:
        >>> answer = pa.table({"collection": ["c", "c"], "image_id": ["2", "1"], "class": ["b", "a"]})
        >>> index = build_index(answer, "class")
        >>> index.classes, index.rows["image_id"].to_pylist()
        (('a', 'b'), ['1', '2'])
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
    _refuse_duplicates(rows)
    if target not in ("class", "classes"):
        return PlanIndex(target, (), rows)
    labels = rows[target].combine_chunks()
    labels = labels if target == "class" else labels.flatten()
    order = sorted(pc.unique(labels).to_pylist()) if classes is None else list(classes)
    outside = labels.filter(pc.invert(pc.is_in(labels, value_set=pa.array(order, pa.string()))))
    if len(outside):
        counts = pc.value_counts(outside).to_pylist()
        shown = ", ".join(f"{one['values']!r} ({one['counts']:,}×)" for one in counts[:_SHOWN])
        raise InputError(
            f"labels that are not in the class list: {shown}"
            f"{' and others' if len(counts) > _SHOWN else ''}; the list is {', '.join(order)}"
        )
    return PlanIndex(target, tuple(order), rows)


def _select_keys_and_target(df: DataFrame, target: Target) -> DataFrame:
    columns = [F.col(name).cast("string").alias(name) for name in ("collection", "image_id")]
    if target == "class":
        columns.append(F.col("class").cast("string").alias("class"))
    elif target == "classes":
        cast = F.col("classes").cast("array<string>")
        columns.append(F.array_sort(F.array_distinct(F.array_compact(cast))).alias("classes"))
    elif target == "mask":
        given = "mask_collection" if "mask_collection" in df.columns else "collection"
        columns.append(F.col(given).cast("string").alias("mask_collection"))
        columns.append(F.col("mask_id").cast("string").alias("mask_id"))
    return df.select(*columns)


def _refuse_duplicates(rows: pa.Table) -> None:
    ids, collections = rows["image_id"].combine_chunks(), rows["collection"].combine_chunks()
    same = pc.and_(pc.equal(ids[1:], ids[:-1]), pc.equal(collections[1:], collections[:-1]))
    duplicates = np.flatnonzero(same.to_numpy(zero_copy_only=False))
    if len(duplicates):
        rows_shown = duplicates.tolist()[:50]
        names = sorted({f"{collections[i]}/{str(ids[i])[:12]}" for i in rows_shown})
        raise InputError(
            f"the query returns images more than once: {', '.join(names[:_SHOWN])}; a join that matches "
            "several rows does this (the view truth has one class per image)"
        )


def require_target(columns: Sequence[str], no_target: bool = False) -> Target:
    """The kind of target that an answer with these columns has.

    Args:
        columns: Names of the columns.
        no_target: Select images without a target.

    Raises:
        UnknownName: ``collection`` or ``image_id`` is not among them.
        InputError: Duplicate columns; several targets; none, without `no_target`.

    Example:
        >>> require_target(["collection", "image_id", "mask_id"])
        'mask'
    """
    for name in ("collection", "image_id"):
        if name not in columns:
            raise UnknownName(
                f"column: batches straight from Kudu hold images and need {name!r}; the query returns",
                name,
                columns,
            )
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise InputError(f"the query returns {', '.join(twice)} more than once; select each once")
    target = find_target(columns)
    if target is None and not no_target:
        raise InputError(
            "the query returns nothing to learn: expected a column class, classes or mask_id (pass "
            f"no_target=True for images alone); it returns {', '.join(columns)}"
        )
    return target or "none"
