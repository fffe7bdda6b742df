"""A slice as rows to export: the query's columns, each image's shape, and whether names clash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from labelmill.errors import InputError
from labelmill.pipelines.export.file_names import Format, Layout, NameParts, clash_key
from labelmill.pipelines.export.output_folder import Claim
from labelmill.pipelines.export.worker import NAMED
from labelmill.settings import Settings
from labelmill.spark.arrow import struct_type
from labelmill.sql import catalogue
from labelmill.store.schema.tables import IMAGES
from labelmill.store.spark import frames

NEEDED = ("collection", "image_id")
OPTIONAL = ("class", "split", "uri", "source_time", "attributes")
"""Columns that a query may have; they go to the manifest. All others are ignored."""

_ROW = tuple(name for name in NAMED.names if name != "clash")
_KEYED = pa.schema(
    [*(NAMED.field(name) for name in _ROW), ("key", pa.string()), ("value", pa.string())]
)
_FEW_COLLECTIONS = 50
_IMAGE_ID = "^[0-9a-f]{64}$"


def select_rows(spark: SparkSession, settings: Settings, claim: Claim) -> DataFrame:
    """The query's rows, without duplicates: the columns `NEEDED`, and those of `OPTIONAL` that it has.

    Args:
        spark: The session.
        settings: Where Kudu is.
        claim: Query, snapshot, layout, limit.

    Raises:
        QueryRefused: The query does more than read, or would not answer the same again.
        InputError: It lacks a column, has one twice, or one of an unsuitable type.
    """
    query = catalogue.query(spark, settings, claim.sql, claim.snapshot_ms, repeatable=True)
    rows = query.select(*_select_columns(query, claim.layout)).distinct()
    if claim.limit is not None:
        rows = rows.orderBy("image_id", *(c for c in rows.columns if c != "image_id"))
        rows = rows.limit(claim.limit)
    return rows


def add_shapes(selected: DataFrame, settings: Settings, claim: Claim) -> DataFrame:
    """Adds the shapes of the images in the catalogue; returns the columns of `_ROW`.

    Pixels are not among them; a query's own ``pixels``, ``width`` and so on are ignored.

    Args:
        selected: Rows of `select_rows`; persisted, because they are read twice.
        settings: Where Kudu is.
        claim: The snapshot.

    Returns:
        ``width``, ``height``, ``channels`` and ``dtype`` are null where the catalogue has no such image.
    """
    images = frames.read(
        selected.sparkSession,
        settings,
        IMAGES,
        [*NEEDED, "uri", "width", "height", "channels", "dtype"],
        snapshot_ms=claim.snapshot_ms,
    )
    # Only a valid id becomes a file name.
    images = images.where(F.col("image_id").rlike(_IMAGE_ID))
    found = selected.select("collection").distinct().limit(_FEW_COLLECTIONS + 1).collect()
    if len(found) <= _FEW_COLLECTIONS:
        # Kudu then scans these collections only; Spark alone would read all of them and join.
        images = images.where(F.col("collection").isin([row["collection"] for row in found]))
    rows = selected.join(images, [*NEEDED], "left")
    if "source_uri" not in selected.columns:
        rows = rows.withColumn("source_uri", F.col("uri"))
    for name in ("label", "split", "source_time", "attributes"):
        if name not in selected.columns:
            rows = rows.withColumn(name, F.lit(None).cast("string"))
    return rows.select(*_ROW)


def add_clashes(rows: DataFrame, format: Format, layout: Layout) -> DataFrame:
    """Adds ``clash``: whether another image or class would get the same name (see `file_names`).

    Args:
        rows: Rows of `add_shapes`; persisted, because they are read twice.
        format: Kind of files.
        layout: Kind of names.
    """
    if layout == "id":
        return rows.withColumn("clash", F.lit(False))
    keyed = rows.select(*_ROW).mapInArrow(
        ClashKeys(format, layout),  # type: ignore[arg-type]
        struct_type(_KEYED),
    )
    clashes = (
        keyed.groupBy("key").agg((F.min("value") < F.max("value")).alias("clash")).where("clash")
    )
    return (
        keyed.join(clashes, "key", "left")
        .withColumn("clash", F.coalesce("clash", F.lit(False)))
        .select(*_ROW, "clash")
    )


@dataclass(frozen=True)
class ClashKeys:
    """Runs on executors: adds ``key`` and ``value`` of `clash_key`."""

    format: Format
    layout: Layout

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            pairs = [self._pair(row) for row in batch.to_pylist()]
            columns = [
                *batch.columns,
                *(pa.array(c, pa.string()) for c in zip(*pairs, strict=True)),
            ]
            if pairs:
                yield pa.RecordBatch.from_arrays(columns, _KEYED.names)

    def _pair(self, row: dict[str, object]) -> tuple[str, str]:
        if row["channels"] is None:
            return "", ""
        return clash_key(
            self.layout,
            self.format,
            NameParts(
                str(row["image_id"]),
                int(str(row["channels"])),
                row["label"],  # type: ignore[arg-type]
                row["split"],  # type: ignore[arg-type]
                str(row["source_uri"] or ""),
            ),
        )


def _select_columns(query: DataFrame, layout: str) -> list[Column]:
    for name in (*NEEDED, *(["class"] if layout == "class" else [])):
        if name not in query.columns:
            advice = (
                "join the view truth, or choose --layout id"
                if name == "class"
                else "an export needs collection and image_id"
            )
            raise InputError(
                f"the query has no column {name!r}; it returns {', '.join(query.columns)}; {advice}"
            )
    columns = []
    for name in (*NEEDED, *OPTIONAL):
        if query.columns.count(name) > 1:
            raise InputError(f"the query returns the column {name!r} twice; select it once")
        if name in query.columns:
            renamed = {"class": "label", "uri": "source_uri"}.get(name, name)
            columns.append(_as_text(query, name).alias(renamed))
    return columns


def _as_text(query: DataFrame, name: str) -> Column:
    kind, column = query.schema[name].dataType, F.col(f"`{name}`")
    if name == "source_time" and not isinstance(kind, T.NullType):
        if not isinstance(kind, (T.TimestampType, T.DateType)):
            raise InputError(
                f"the query's source_time is {kind.simpleString()}; expected a timestamp"
            )
        return F.date_format(column, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'")
    if isinstance(kind, (T.StructType, T.MapType)):
        return F.to_json(column)
    return column.cast("string")
