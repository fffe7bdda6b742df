"""What a contact sheet of a slice shows: counts, and a few hundred of its rows with pictures.

A slice of few rows is shown whole and in its own order; of a larger one, each class gives its first
rows by a hash of their ids: a fair draw, and the same one each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as F

from labelmill.errors import NoData
from labelmill.pipelines import catalogue
from labelmill.pipelines.sheet_columns import SheetColumns, sheet_columns
from labelmill.pipelines.sheet_pictures import Pictures, pictures_of
from labelmill.settings import Settings

CARDS = 400
"""Rows of one page; half of it where each has two pictures."""

LEAST_EACH = 4
"""Rows of each class that is shown at all."""

CLASSES = 500
"""Classes in the table of counts; the others are added up."""

LETTERS = 120
"""Letters of one value; names and texts come from anywhere and may be a novel."""


@dataclass(frozen=True)
class Card:
    """One row.

    Attributes:
        collection: Of the image or record.
        id: Its id.
        classes: None, one, or several.
        split: As the query gives it.
        facts: Name → value of the other columns.
        png: Picture of the image; None: there is none, or it cannot be read.
        mask: Picture of its mask.
    """

    collection: str
    id: str
    classes: Sequence[str]
    split: str | None
    facts: Mapping[str, str | None]
    png: bytes | None = None
    mask: bytes | None = None


@dataclass(frozen=True)
class Sheet:
    """All that the page shows.

    Attributes:
        columns: What the query gives.
        rows: All of them, shown or not.
        counts: Class → split → rows, most rows first; the class None: rows without one; the split
            None: the query gives none. A row of several classes counts for each.
        more_classes: Classes that `counts` leaves out.
        splits: Split → rows.
        groups: Class → its rows; a slice whose rows have several classes or none is one group,
            None.
        whole: Whether every row is shown.
    """

    columns: SheetColumns
    rows: int
    counts: Mapping[str | None, Mapping[str | None, int]]
    more_classes: int
    splits: Mapping[str | None, int]
    groups: Mapping[str | None, Sequence[Card]]
    whole: bool


def gather(answer: DataFrame, settings: Settings, snapshot_ms: int) -> Sheet:
    """Reads what the sheet shows.

    Args:
        answer: The slice (`catalogue.query`).
        settings: Where Kudu is.
        snapshot_ms: The snapshot that `answer` is read at.

    Raises:
        InputError: The query gives neither images nor records.
        NoData: The slice has no rows.
    """
    columns = sheet_columns(answer.schema)
    rows = _named(answer, columns)
    most = CARDS // 2 if columns.mask else CARDS
    first = rows.limit(most + 1).collect()
    if not first:
        raise NoData("the slice has no rows, so there is nothing to show")
    whole = len(first) <= most
    drawn = first if whole else _drawn(rows, columns, most)
    counted = _count_here(first) if whole else _count(rows)
    by_class: dict[str | None, Counter[str | None]] = {}
    splits: Counter[str | None] = Counter()
    for klass, split, count in counted.of_classes:
        by_class.setdefault(klass, Counter())[split] += count
    for split, count in counted.of_splits:
        splits[split] += count
    pictures = _pictures(answer.sparkSession, settings, snapshot_ms, columns, drawn)
    groups: dict[str | None, list[Card]] = {}
    for row in drawn:
        group = row["classes"][0] if row["classes"] and not columns.several else None
        groups.setdefault(group, []).append(_card(row, columns, pictures))
    order = sorted(by_class, key=lambda name: (-by_class[name].total(), name or ""))
    return Sheet(
        columns=columns,
        rows=splits.total(),
        counts={name: by_class[name] for name in order},
        more_classes=counted.classes - len(by_class),
        splits=splits,
        groups=dict(sorted(groups.items(), key=lambda item: _place(order, item[0]))),
        whole=whole,
    )


@dataclass(frozen=True)
class _Counted:
    of_classes: Sequence[tuple[str | None, str | None, int]]
    of_splits: Sequence[tuple[str | None, int]]
    classes: int


def _named(answer: DataFrame, columns: SheetColumns) -> DataFrame:
    """Rows with ``collection``, ``id``, ``classes``, ``split``, ``mask``, ``mask_in``, ``facts``."""
    none = F.array().cast("array<string>")
    classes = none
    if columns.several:
        given = F.col("classes").cast("array<string>")
        classes = F.coalesce(F.array_sort(F.array_compact(F.array_distinct(given))), none)
    elif columns.klass is not None:
        given = F.col(f"`{columns.klass}`").cast("string")
        classes = F.when(given.isNotNull(), F.array(given)).otherwise(none)
    nothing = F.lit(None).cast("string")
    mask_in = F.col("mask_collection") if columns.mask_collection else nothing
    return answer.select(
        _text("collection"),
        _text(columns.id).alias("id"),
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


def _drawn(rows: DataFrame, columns: SheetColumns, most: int) -> list[Row]:
    by_hash = [F.xxhash64("id"), F.col("id")]
    if columns.several or columns.klass is None:
        return rows.orderBy(*by_hash).limit(most).collect()
    alone = rows.withColumn("klass", F.element_at("classes", 1))
    largest = alone.groupBy("klass").count().orderBy(F.desc("count"), "klass")
    shown = [row["klass"] for row in largest.limit(most // LEAST_EACH).collect()]
    each = most // len(shown)
    wanted = F.col("klass").isin([name for name in shown if name is not None])
    if None in shown:
        wanted = F.col("klass").isNull() | wanted
    nth = F.row_number().over(Window.partitionBy("klass").orderBy(*by_hash))
    first = alone.where(wanted).withColumn("nth", nth).where(F.col("nth") <= each)
    return first.orderBy("klass", "nth").collect()


def _count(rows: DataFrame) -> _Counted:
    splits = rows.groupBy("split").count().collect()
    each = rows.select(F.explode_outer("classes").alias("klass"), "split")
    counts = each.groupBy("klass", "split").count().persist()
    try:
        by_class = counts.groupBy("klass").agg(F.sum("count").alias("rows"))
        classes = by_class.count()
        largest = by_class.orderBy(F.desc("rows"), "klass").limit(CLASSES)
        same = largest["klass"].eqNullSafe(counts["klass"])
        found = counts.join(largest, same, "left_semi").collect()
    finally:
        counts.unpersist()
    return _Counted(
        [(row["klass"], row["split"], row["count"]) for row in found],
        [(row["split"], row["count"]) for row in splits],
        classes,
    )


def _count_here(rows: Sequence[Row]) -> _Counted:
    each = Counter((name, row["split"]) for row in rows for name in row["classes"] or [None])
    return _Counted(
        [(name, split, count) for (name, split), count in each.items()],
        list(Counter(row["split"] for row in rows).items()),
        len({name for name, _ in each}),
    )


def _place(order: Sequence[str | None], name: str | None) -> int:
    return order.index(name) if name in order else len(order)


def _pictures(
    spark: SparkSession,
    settings: Settings,
    snapshot_ms: int,
    columns: SheetColumns,
    rows: Sequence[Row],
) -> Pictures:
    if not columns.has_pictures:
        return Pictures({}, {})
    own, _ = catalogue.open_views(spark, settings, snapshot_ms, {"images", "image_chunks"})
    images = [(row["collection"], row["id"]) for row in rows]
    masks = [(row["mask_in"], row["mask"]) for row in rows if row["mask"] is not None]
    return pictures_of(own, images, masks)


def _card(row: Row, columns: SheetColumns, pictures: Pictures) -> Card:
    return Card(
        collection=row["collection"],
        id=row["id"],
        classes=tuple(row["classes"]),
        split=row["split"],
        facts=dict(zip(columns.facts, map(_short, row["facts"]), strict=True)),
        png=pictures.images.get((row["collection"], row["id"])),
        mask=pictures.masks.get((row["mask_in"], row["mask"])),
    )


def _short(value: str | None) -> str | None:
    return value if value is None or len(value) <= LETTERS else value[:LETTERS] + "…"
