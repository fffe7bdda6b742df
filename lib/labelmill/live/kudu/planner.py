"""A query to a plan: Spark says which images, Kudu how large they are and where they lie."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.errors import InputError
from labelmill.feed.files.columns import SHAPE
from labelmill.feed.rows.pixels import ShapeOf, other_size
from labelmill.live.kudu.plan import KuduPlan, Unit, size_of
from labelmill.live.kudu.reader import PIXELS
from labelmill.settings import Settings
from labelmill.sql.snapshot import settled
from labelmill.store.client import RowClient
from labelmill.store.connect import shared_client
from labelmill.store.reading.id_index import BY_ID_ROWS, DENSE, Ids
from labelmill.store.schema.conditions import Between
from labelmill.store.schema.tables import IMAGES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

UNIT_BYTES = 15 << 20
"""Pixels of a unit: two fit in a window, also where images are large. Smaller ones cost more requests,
larger ones make parts that differ more."""


def plan(
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
    from labelmill.live.kudu.index import ask

    at, client = settled(snapshot_ms), shared_client(settings)
    given = dict(parameters or {})
    index = ask(spark, settings, sql, at, given, classes, no_target)
    shapes = _Shapes()
    rows, density = _measured(client, index.rows, at, shapes)
    sizes = shapes.sizes()
    each = sizes[rows["shape"].to_numpy()]
    if index.target == "mask":
        rows = rows.append_column("mask_shape", _masks(client, rows, at, shapes))
        _refuse_other_sizes(rows, shapes.found)
        sizes = shapes.sizes()
        each = each + sizes[rows["mask_shape"].to_numpy()]
    most = max(1, min(unit_bytes, int(each.sum()) // max(1, parts)))
    if rows.num_rows < parts:
        raise InputError(
            f"the query has {rows.num_rows:,} images, too few for {parts} processes; give parts="
            f"{rows.num_rows} or less"
        )
    collections = list(_collections(rows))
    pieces = [
        Piece(number, first + begin, first + end)
        for number, (collection, first, last) in enumerate(collections)
        for begin, end in cut(
            each[first:last], most, None if density[collection] >= DENSE else BY_ID_ROWS
        )
    ]
    units: list[Unit] = []
    for number, start, stop in at_least(pieces, each, parts):
        collection, first, last = collections[number]
        tokens: tuple[bytes, ...] = ()
        if density[collection] >= DENSE:
            low = rows["image_id"][start].as_py() if start > first else None
            high = rows["image_id"][stop].as_py() if stop < last else None
            tokens = _tokens(client, collection, low, high, at)
        units.append(Unit(collection, start, stop, int(each[start:stop].sum()), tokens))
    return KuduPlan(
        sql=sql,
        parameters=given,
        snapshot_ms=at,
        target=index.target,
        classes=index.classes,
        shapes=tuple(shapes.found),
        index=rows.drop_columns(["collection"]),
        units=tuple(units),
    )


def cut(
    sizes: npt.NDArray[np.int64], most: int, rows: int | None = None
) -> Iterator[tuple[int, int]]:
    """Begin and end of pieces that are about equally large.

    Args:
        sizes: Bytes of each row.
        most: Bytes of a piece, about: it may have one row more.
        rows: Rows of a piece at most.
    """
    upto = np.cumsum(sizes)
    pieces = max(1, -(-int(upto[-1]) // most))
    ends = np.searchsorted(upto, upto[-1] * np.arange(1, pieces + 1) / pieces) + 1
    start = 0
    for end in np.unique(ends).tolist():
        own = 1 if rows is None else -(-(end - start) // rows)
        inner = np.linspace(start, end, own + 1).astype(int).tolist()
        yield from itertools.pairwise(inner)
        start = end


class Piece(NamedTuple):
    """Rows of one collection that are read together: which collection, first row, row after the last."""

    collection: int
    start: int
    stop: int


def at_least(pieces: Sequence[Piece], sizes: npt.NDArray[np.int64], count: int) -> list[Piece]:
    """Pieces that are so many at least: the largest ones in halves, until they are.

    Args:
        pieces: In the order of rows.
        sizes: Bytes of each row.
        count: How many; not more than there are rows.
    """
    waiting = [(-int(sizes[p.start : p.stop].sum()), p) for p in pieces]
    heapq.heapify(waiting)
    # Of one row each: nothing is left to halve.
    whole: list[Piece] = []
    while waiting and len(waiting) + len(whole) < count:
        _, piece = heapq.heappop(waiting)
        middle = (piece.start + piece.stop) // 2
        if middle == piece.start:
            whole.append(piece)
            continue
        for half in (piece._replace(stop=middle), piece._replace(start=middle)):
            heapq.heappush(waiting, (-int(sizes[half.start : half.stop].sum()), half))
    return sorted([*whole, *(piece for _, piece in waiting)], key=lambda piece: piece.start)


class _Shapes:
    """Numbers for shapes, as they are met."""

    def __init__(self) -> None:
        self.found: list[ShapeOf] = []
        self._codes: dict[ShapeOf, int] = {}

    def codes(self, batch: pa.RecordBatch) -> npt.NDArray[np.int32]:
        """The number of each row's shape, ``(N,)``."""
        # As a dictionary each: rows of a batch mostly share one shape.
        columns = [batch.column(name).dictionary_encode() for name in SHAPE]
        if all(len(column.dictionary) == 1 for column in columns):
            shape = ShapeOf(*(column.dictionary[0].as_py() for column in columns))
            return np.full(len(batch), self._code(shape), np.int32)
        indices = np.stack([column.indices.to_numpy() for column in columns], axis=1)
        kinds, inverse = np.unique(indices, axis=0, return_inverse=True)
        own = [
            self._code(
                ShapeOf(*(c.dictionary[i].as_py() for c, i in zip(columns, kind, strict=True)))
            )
            for kind in kinds.tolist()
        ]
        return np.array(own, np.int32)[inverse.reshape(-1)]

    def sizes(self) -> npt.NDArray[np.int64]:
        """Bytes of an array of each shape."""
        return np.array([size_of(shape) for shape in self.found], np.int64)

    def _code(self, shape: ShapeOf) -> int:
        if shape not in self._codes:
            self._codes[shape] = len(self.found)
            self.found.append(shape)
        return self._codes[shape]


def _measured(
    client: RowClient, rows: pa.Table, at: int, shapes: _Shapes
) -> tuple[pa.Table, dict[str, float]]:
    """The index with shapes, and which share of each collection it is."""
    codes, density = [], {}
    for collection, start, stop in _collections(rows):
        ids = rows["image_id"].slice(start, stop - start).combine_chunks()
        found, there = _looked_at(client, collection, ids, at, shapes)
        codes.append(found)
        density[collection] = len(ids) / max(1, there)
    whole = np.concatenate(codes)
    _refuse_missing(whole, rows["collection"], rows["image_id"], at)
    return rows.append_column("shape", pa.array(whole)), density


def _masks(client: RowClient, rows: pa.Table, at: int, shapes: _Shapes) -> pa.Array:
    """Numbers of the masks' shapes."""
    codes = np.full(rows.num_rows, -1, np.int32)
    collections = rows["mask_collection"].combine_chunks()
    for collection in pc.unique(collections).to_pylist():
        own = np.flatnonzero(pc.equal(collections, collection).to_numpy(zero_copy_only=False))
        named = rows["mask_id"].take(pa.array(own)).combine_chunks()
        ids = pc.unique(named).sort()
        found, _ = _looked_at(client, collection, ids, at, shapes)
        codes[own] = found[Ids(ids).places(named)]
    _refuse_missing(codes, rows["mask_collection"], rows["mask_id"], at)
    return pa.array(codes)


def _refuse_other_sizes(rows: pa.Table, shapes: Sequence[ShapeOf]) -> None:
    """Refuses masks that are not as high and wide as their images."""
    sides = np.array([(shape.height, shape.width) for shape in shapes])
    images, masks = (rows[name].to_numpy() for name in ("shape", "mask_shape"))
    wrong = np.flatnonzero((sides[images] != sides[masks]).any(axis=1)).tolist()
    if wrong:
        row = wrong[0]
        raise other_size(
            rows["mask_id"][row],
            shapes[masks[row]],
            rows["image_id"][row],
            shapes[images[row]],
            len(wrong),
        )


def _looked_at(
    client: RowClient, collection: str, ids: pa.Array, at: int, shapes: _Shapes
) -> tuple[npt.NDArray[np.int32], int]:
    """Numbers of the images' shapes (-1: not there), and how many the collection has."""
    codes, there, places = np.full(len(ids), -1, np.int32), 0, Ids(ids)
    scan = client.scan(IMAGES, ["image_id", *SHAPE], {"collection": collection}, at)
    for batch in scan.batches():
        there += len(batch)
        found = places.places(batch.column("image_id"))
        wanted = np.flatnonzero(found >= 0)
        codes[found[wanted]] = shapes.codes(batch)[wanted]
    return codes, there


def _refuse_missing(
    codes: npt.NDArray[np.int32], collections: pa.ChunkedArray, ids: pa.ChunkedArray, at: int
) -> None:
    missing = np.flatnonzero(codes < 0).tolist()
    if missing:
        shown = ", ".join(f"{collections[i]}/{str(ids[i])[:12]}" for i in missing[:3])
        raise InputError(
            f"{len(missing):,} of {len(codes):,} images that the query names are not among `images` at "
            f"snapshot {at}: {shown}; join the view images, so that only those that are there come"
        )


def _collections(rows: pa.Table) -> Iterator[tuple[str, int, int]]:
    named = rows["collection"].combine_chunks().dictionary_encode()
    codes = named.indices.to_numpy()
    bounds = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    for start, stop in itertools.pairwise(bounds):
        yield named.dictionary[int(codes[start])].as_py(), start, stop


def _tokens(
    client: RowClient, collection: str, low: str | None, high: str | None, at: int
) -> tuple[bytes, ...]:
    where: dict[str, object] = {"collection": collection}
    if low is not None or high is not None:
        where["image_id"] = Between(low, high)
    return tuple(client.scan(IMAGES, PIXELS, where, at).tokens())
