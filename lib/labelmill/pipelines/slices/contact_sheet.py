"""Collects what a contact sheet of a slice shows: counts, and a few hundred rows with pictures.

A small slice is shown completely and in its own order. Of a larger one, each class shows its first
rows by a hash of their ids: a fair sample that is the same every time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, Row, SparkSession

from labelmill.errors import NoData
from labelmill.pipelines.slices.sheet_columns import SheetColumns, sheet_columns
from labelmill.pipelines.slices.sheet_rows import (
    LETTERS,
    Counted,
    Pictures,
    count,
    count_rows,
    normalize_columns,
    pictures_of,
    sample_rows,
)
from labelmill.settings import Settings
from labelmill.sql import catalogue

CARDS = 400
"""Most rows on a page; half as many where each has two pictures."""


@dataclass(frozen=True)
class SheetCard:
    """One row on the sheet.

    Attributes:
        collection: Of the image or record.
        id: Its id.
        classes: Zero, one or several.
        split: As the query gives it.
        facts: Name → value of the other columns.
        png: The image as PNG; None: there is none, or it cannot be read.
        mask: Its mask as PNG.
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
    """Everything that the page shows.

    Attributes:
        columns: Of the query.
        rows: Total, shown or not.
        counts: Class → split → rows, largest class first; class None: rows without one; split
            None: the query gives none. A row with several classes counts for each.
        more_classes: Classes left out of `counts`.
        splits: Split → rows.
        groups: Class → its rows; one group, None, where rows have several classes or none.
        whole: Whether every row is shown.
    """

    columns: SheetColumns
    rows: int
    counts: Mapping[str | None, Mapping[str | None, int]]
    more_classes: int
    splits: Mapping[str | None, int]
    groups: Mapping[str | None, Sequence[SheetCard]]
    whole: bool


def read_sheet(answer: DataFrame, settings: Settings, snapshot_ms: int) -> Sheet:
    """Reads everything that the sheet shows.

    Args:
        answer: The slice, from `catalogue.query`.
        settings: Where Kudu is.
        snapshot_ms: Snapshot of `answer`.

    Raises:
        InputError: The query gives neither images nor records.
        NoData: The slice has no rows.
    """
    columns = sheet_columns(answer.schema)
    # Ids and a few characters per row: computed once, then counted and sampled from Spark's cache.
    rows = normalize_columns(answer, columns).persist()
    try:
        most = CARDS // 2 if columns.mask else CARDS
        first = rows.limit(most + 1).collect()
        if not first:
            raise NoData("the slice has no rows, so there is nothing to show")
        whole = len(first) <= most
        counted = count_rows(first) if whole else count(rows)
        shown = first if whole else sample_rows(rows, columns, most)
    finally:
        rows.unpersist()
    pictures = _pictures(answer.sparkSession, settings, snapshot_ms, columns, shown)
    return _sheet(columns, counted, [_card(row, columns, pictures) for row in shown], whole)


def _sheet(
    columns: SheetColumns, counted: Counted, cards: Sequence[SheetCard], whole: bool
) -> Sheet:
    by_class: dict[str | None, Counter[str | None]] = {}
    for label, split, rows in counted.of_classes:
        by_class.setdefault(label, Counter())[split] += rows
    order = sorted(by_class, key=lambda name: (-by_class[name].total(), name or ""))
    groups: dict[str | None, list[SheetCard]] = {}
    for card in cards:
        group = card.classes[0] if card.classes and not columns.several else None
        groups.setdefault(group, []).append(card)
    return Sheet(
        columns=columns,
        rows=sum(rows for _, rows in counted.of_splits),
        counts={name: by_class[name] for name in order},
        more_classes=counted.classes - len(by_class),
        splits=dict(counted.of_splits),
        groups=dict(sorted(groups.items(), key=lambda item: _place(order, item[0]))),
        whole=whole,
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


def _card(row: Row, columns: SheetColumns, pictures: Pictures) -> SheetCard:
    return SheetCard(
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
