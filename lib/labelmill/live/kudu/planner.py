"""Makes a plan of a query: Spark says which images, Kudu how large they are and where they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from labelmill.errors import InputError
from labelmill.live.kudu.pieces import Piece, divide, halve_largest
from labelmill.live.kudu.plan import KuduPlan, Unit
from labelmill.live.kudu.reader import PIXELS
from labelmill.live.kudu.shapes import (
    ShapeCodes,
    add_image_shapes,
    add_mask_shapes,
    split_collections,
)
from labelmill.settings import Settings
from labelmill.sql.snapshot import settled_snapshot
from labelmill.store.client import RowClient
from labelmill.store.connect import shared_client
from labelmill.store.reading.id_index import BY_ID_ROWS, DENSE
from labelmill.store.schema.conditions import Between
from labelmill.store.schema.tables import IMAGES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

UNIT_BYTES = 15 << 20
"""Bytes of pixels in a unit: two fit in a window, even where images are large. Smaller units cost more
requests, larger ones make the parts of a plan less equal."""


def make_plan(
    sql: str,
    settings: Settings,
    spark: SparkSession,
    snapshot_ms: int | None = None,
    parameters: Mapping[str, str] | None = None,
    classes: Sequence[str] | None = None,
    no_target: bool = False,
    parts: int = 1,
    unit_bytes: int = UNIT_BYTES,
) -> KuduPlan:
    """See `labelmill.live.kudu.batches.KuduBatches.plan`."""
    # The worker processes that read a plan need no Spark.
    from labelmill.live.kudu.index import query_index

    at, client = settled_snapshot(settings, snapshot_ms), shared_client(settings)
    given = dict(parameters or {})
    index = query_index(spark, settings, sql, at, given, classes, no_target)
    shapes = ShapeCodes()
    rows, density = add_image_shapes(client, index.rows, at, shapes)
    if index.target == "mask":
        rows = add_mask_shapes(client, rows, at, shapes)
    if rows.num_rows < parts:
        raise InputError(
            f"the query has {rows.num_rows:,} images, too few for {parts} processes; give parts="
            f"{rows.num_rows} or less"
        )
    return KuduPlan(
        sql=sql,
        parameters=given,
        snapshot_ms=at,
        target=index.target,
        classes=index.classes,
        shapes=tuple(shapes.found),
        index=rows.drop_columns(["collection"]),
        units=tuple(_units(client, rows, shapes, density, at, parts, unit_bytes)),
    )


def _units(
    client: RowClient,
    rows: pa.Table,
    shapes: ShapeCodes,
    density: Mapping[str, float],
    snapshot_ms: int,
    parts: int,
    unit_bytes: int,
) -> Iterator[Unit]:
    """Divides the index into units: at least `parts`, and none much larger than `unit_bytes`."""
    sizes = shapes.sizes()
    each = sizes[rows["shape"].to_numpy()]
    if "mask_shape" in rows.column_names:
        each = each + sizes[rows["mask_shape"].to_numpy()]
    most = max(1, min(unit_bytes, int(each.sum()) // max(1, parts)))
    collections = list(split_collections(rows))
    pieces = [
        Piece(number, first + begin, first + end)
        for number, (collection, first, last) in enumerate(collections)
        for begin, end in divide(
            each[first:last], most, None if density[collection] >= DENSE else BY_ID_ROWS
        )
    ]
    for number, start, stop in halve_largest(pieces, each, parts):
        collection, first, last = collections[number]
        tokens: tuple[bytes, ...] = ()
        if density[collection] >= DENSE:
            low = rows["image_id"][start].as_py() if start > first else None
            high = rows["image_id"][stop].as_py() if stop < last else None
            tokens = _tokens(client, collection, low, high, snapshot_ms)
        yield Unit(collection, start, stop, int(each[start:stop].sum()), tokens)


def _tokens(
    client: RowClient, collection: str, low: str | None, high: str | None, snapshot_ms: int
) -> tuple[bytes, ...]:
    where: dict[str, object] = {"collection": collection}
    if low is not None or high is not None:
        where["image_id"] = Between(low, high)
    return tuple(client.scan(IMAGES, PIXELS, where, snapshot_ms).tokens())
