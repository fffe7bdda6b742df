"""Pixels of images that an index names: from Kudu to a spool, without Spark.

The driver's row client reads `images` by columns, several times as fast as Spark hands rows on
(decision 0082). What is kept in memory is where each image's bytes lie, and its shape.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.errors import InputError
from labelmill.store.client import RowClient
from labelmill.store.reading.id_index import BY_ID_ROWS, DENSE, Ids
from labelmill.store.reading.parallel_scan import read
from labelmill.store.schema.tables import CHUNK_BYTES, IMAGE_CHUNKS, IMAGES
from labelmill.store.schema.types import Table
from labelmill.training_sets.assembly.index import shown_rows
from labelmill.training_sets.assembly.pixel_index import (
    Cells,
    refuse_shapeless,
    refuse_unfit,
    unfit,
)
from labelmill.training_sets.assembly.spool import Spool


def fetch(
    client: RowClient,
    keys: pa.Table,
    places: npt.NDArray[np.int64],
    columns: Sequence[str],
    snapshot_ms: int,
    cells: Cells,
    spool: Spool,
    stop: threading.Event | None = None,
) -> None:
    """Reads columns of `images` into cells.

    Args:
        client: Open client.
        keys: ``collection`` and ``image_id``, sorted by both, none twice.
        places: ``(len(keys),)`` which cell is whose.
        columns: Of ``height``, ``width``, ``channels``, ``dtype``, ``split``, ``pixels``.
        snapshot_ms: What to read at.
        cells: Where they go.
        spool: Where pixels go.
        stop: Set by who wants no more: what is not there by then counts as missing.

    Raises:
        InputError: Images that are not there; a full disk.
        StoreError: Kudu refused.
        StoreUnreachable: Kudu did not answer in time.
    """
    for start, upto, collection in _collections(keys):
        own = keys["image_id"].slice(start, upto - start).combine_chunks()
        ids = Ids(own)

        def put(batch: pa.RecordBatch, ids: Ids = ids, start: int = start) -> None:
            batch, rows = _wanted(batch, ids)
            if len(rows):
                cells.found[places[start + rows]] = True
                cells.put(places[start + rows], batch.select(list(columns)), spool)

        for where in _wheres(client, IMAGES, collection, own, snapshot_ms):
            read(client, IMAGES, ["image_id", *columns], where, snapshot_ms, put, stop)
    missing = np.flatnonzero(~cells.found[places])
    if len(missing):
        raise InputError(
            f"{len(missing):,} of {len(keys):,} images that the query names are not in `images` at "
            f"snapshot {snapshot_ms}: {shown_rows(keys, 'image_id', missing)}; join the view images, so "
            "that only those that are there come"
        )


def fetch_chunks(
    client: RowClient,
    keys: pa.Table,
    places: npt.NDArray[np.int64],
    snapshot_ms: int,
    cells: Cells,
    spool: Spool,
    stop: threading.Event | None = None,
) -> None:
    """Reads the pixels that `fetch` did not find in `images` because they lie in `image_chunks`.

    Args:
        client: Open client.
        keys: As for `fetch`.
        places: As for `fetch`.
        snapshot_ms: What to read at.
        cells: With shapes.
        spool: Where pixels go.
        stop: As for `fetch`.

    Raises:
        InputError: Chunks that are missing or do not fit the shape; a full disk.
        StoreError: Kudu refused.
        StoreUnreachable: Kudu did not answer in time.
    """
    lacking = np.flatnonzero(cells.start[places] < 0)
    if not len(lacking):
        return
    chunked = places[lacking]
    large = keys.take(pa.array(lacking))
    refuse_shapeless(large, chunked, cells)
    expected = cells.expected()
    for place in chunked.tolist():
        cells.start[place] = spool.reserve(int(expected[place]))
    arrived = np.zeros(len(chunked), np.int64)
    lock = threading.Lock()
    names = ["image_id", "chunk", "data"]
    for start, upto, collection in _collections(large):
        own = large["image_id"].slice(start, upto - start).combine_chunks()
        ids = Ids(own)

        def put(batch: pa.RecordBatch, ids: Ids = ids, start: int = start) -> None:
            batch, rows = _wanted(batch, ids)
            numbers = batch.column("chunk").to_pylist()
            for row, number, data in zip(start + rows, numbers, batch.column("data"), strict=True):
                place = int(chunked[row])
                piece, begin = memoryview(data.as_buffer()), number * CHUNK_BYTES
                end, size = begin + piece.nbytes, int(expected[place])
                if end > size or (end < size and piece.nbytes != CHUNK_BYTES):
                    raise InputError(unfit(large["image_id"][int(row)], place, cells, end))
                spool.put(int(cells.start[place]) + begin, piece)
                with lock:
                    arrived[row] += piece.nbytes

        for where in _wheres(client, IMAGE_CHUNKS, collection, own, snapshot_ms):
            read(client, IMAGE_CHUNKS, names, where, snapshot_ms, put, stop)
    cells.size[chunked] = arrived
    refuse_unfit(large, chunked, cells)


def _wheres(
    client: RowClient, table: Table, collection: str, ids: pa.Array, at: int
) -> Iterator[dict[str, object]]:
    """What to ask for: a collection whole, or images of it by id, some at a time."""
    where: dict[str, object] = {"collection": collection}
    if len(ids) > BY_ID_ROWS and _dense(client, table, where, len(ids), at):
        yield where
        return
    for start in range(0, len(ids), BY_ID_ROWS):
        yield where | {"image_id": ids.slice(start, BY_ID_ROWS).to_pylist()}


def _dense(
    client: RowClient, table: Table, where: Mapping[str, object], wanted: int, at: int
) -> bool:
    """Whether so many images are `DENSE` of a collection's; looks no further than it must."""
    there = 0
    # The narrowest column there is; of chunked images the first piece stands for all.
    scan = (
        client.scan(table, ["chunk"], {**where, "chunk": 0}, at)
        if table is IMAGE_CHUNKS
        else client.scan(table, ["height"], where, at)
    )
    for batch in scan.batches():
        there += len(batch)
        if wanted < DENSE * there:
            return False
    return True


def _wanted(batch: pa.RecordBatch, ids: Ids) -> tuple[pa.RecordBatch, npt.NDArray[np.int64]]:
    places = ids.places(batch.column("image_id"))
    inside = places >= 0
    if inside.all():
        return batch, places
    return batch.filter(pa.array(inside)), places[inside]


def _collections(keys: pa.Table) -> Iterator[tuple[int, int, str]]:
    """Begin, end and name of each collection's rows."""
    encoded = keys["collection"].combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy()
    bounds = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    for start, stop in pairwise(bounds):
        if stop > start:
            yield start, stop, encoded.dictionary[int(codes[start])].as_py()
