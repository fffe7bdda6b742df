"""Shapes of a plan's images and masks, looked up in Kudu without reading pixels."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.errors import InputError
from labelmill.feed.files.columns import SHAPE
from labelmill.feed.rows.pixels import ShapeOf, other_size
from labelmill.live.kudu.plan import size_of
from labelmill.store.client import RowClient
from labelmill.store.reading.id_index import IdIndex
from labelmill.store.schema.tables import IMAGES


class ShapeCodes:
    """Numbers for shapes, in the order in which they first occur.

    Attributes:
        found: The shapes; a shape's number is its position.
    """

    def __init__(self) -> None:
        self.found: list[ShapeOf] = []
        self._codes: dict[ShapeOf, int] = {}

    def encode(self, batch: pa.RecordBatch) -> npt.NDArray[np.int32]:
        """The number of each row's shape, ``(N,)``.

        Args:
            batch: Has the columns `SHAPE`.
        """
        # Dictionaries, because rows of a batch mostly share one shape.
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


def add_image_shapes(
    client: RowClient, rows: pa.Table, snapshot_ms: int, shapes: ShapeCodes
) -> tuple[pa.Table, dict[str, float]]:
    """Adds a column ``shape`` to the index.

    Returns:
        The index; and collection → share of its images that the index contains, 0..1.

    Raises:
        InputError: An image does not exist.
    """
    codes, density = [], {}
    for collection, start, stop in split_collections(rows):
        ids = rows["image_id"].slice(start, stop - start).combine_chunks()
        found, total = _look_up(client, collection, ids, snapshot_ms, shapes)
        codes.append(found)
        density[collection] = len(ids) / max(1, total)
    whole = np.concatenate(codes)
    _require_found(whole, rows["collection"], rows["image_id"], snapshot_ms)
    return rows.append_column("shape", pa.array(whole)), density


def add_mask_shapes(
    client: RowClient, rows: pa.Table, snapshot_ms: int, shapes: ShapeCodes
) -> pa.Table:
    """Adds a column ``mask_shape`` to the index, which has ``shape`` already.

    Raises:
        InputError: A mask does not exist, or is not of its image's height and width.
    """
    codes = np.full(rows.num_rows, -1, np.int32)
    collections = rows["mask_collection"].combine_chunks()
    for collection in pc.unique(collections).to_pylist():
        own = np.flatnonzero(pc.equal(collections, collection).to_numpy(zero_copy_only=False))
        named = rows["mask_id"].take(pa.array(own)).combine_chunks()
        ids = pc.unique(named).sort()
        found, _ = _look_up(client, collection, ids, snapshot_ms, shapes)
        codes[own] = found[IdIndex(ids).positions(named)]
    _require_found(codes, rows["mask_collection"], rows["mask_id"], snapshot_ms)
    rows = rows.append_column("mask_shape", pa.array(codes))
    _require_same_size(rows, shapes.found)
    return rows


def split_collections(rows: pa.Table) -> Iterator[tuple[str, int, int]]:
    """Collection, first row and row after the last of each run of equal collections."""
    named = rows["collection"].combine_chunks().dictionary_encode()
    codes = named.indices.to_numpy()
    bounds = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    for start, stop in itertools.pairwise(bounds):
        yield named.dictionary[int(codes[start])].as_py(), start, stop


def _look_up(
    client: RowClient, collection: str, ids: pa.Array, snapshot_ms: int, shapes: ShapeCodes
) -> tuple[npt.NDArray[np.int32], int]:
    """Numbers of the images' shapes (-1: not found), and how many images the collection has."""
    codes, total, index = np.full(len(ids), -1, np.int32), 0, IdIndex(ids)
    scan = client.scan(IMAGES, ["image_id", *SHAPE], {"collection": collection}, snapshot_ms)
    for batch in scan.batches():
        total += len(batch)
        positions = index.positions(batch.column("image_id"))
        wanted = np.flatnonzero(positions >= 0)
        codes[positions[wanted]] = shapes.encode(batch)[wanted]
    return codes, total


def _require_same_size(rows: pa.Table, shapes: Sequence[ShapeOf]) -> None:
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


def _require_found(
    codes: npt.NDArray[np.int32],
    collections: pa.ChunkedArray,
    ids: pa.ChunkedArray,
    snapshot_ms: int,
) -> None:
    missing = np.flatnonzero(codes < 0).tolist()
    if missing:
        shown = ", ".join(f"{collections[i]}/{str(ids[i])[:12]}" for i in missing[:3])
        raise InputError(
            f"{len(missing):,} of {len(codes):,} images that the query names are not among `images` at "
            f"snapshot {snapshot_ms}: {shown}; join the view images, so that only existing ones are "
            "returned"
        )
