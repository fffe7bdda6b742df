"""Pixels of images that an index names: from Kudu to a spool, without Spark.

The driver's row client reads `images` by columns, several times as fast as Spark hands rows on
(decision 0082). What is kept in memory is where each image's bytes lie, and its shape.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.errors import InputError
from labelmill.pipelines.freeze_cells import Cells, refuse_shapeless, refuse_unfit, unfit
from labelmill.pipelines.freeze_index import shown_rows
from labelmill.pipelines.image_rows import CHUNK_BYTES
from labelmill.pipelines.kudu_ids import Ids
from labelmill.pipelines.spool import Spool
from labelmill.store.client import RowClient
from labelmill.store.scans import Scan
from labelmill.store.tables import IMAGE_CHUNKS, IMAGES

READERS = 4
"""Scans at once: one waits for Kudu while another puts down what it got."""

FEW_IDS = 2_000
"""So many ids at most are asked for by name; more, and the collection is read whole."""


def fetch(
    client: RowClient,
    keys: pa.Table,
    places: npt.NDArray[np.int64],
    columns: Sequence[str],
    snapshot_ms: int,
    cells: Cells,
    spool: Spool,
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

    Raises:
        InputError: Images that are not there; a full disk.
        StoreError: Kudu refused.
        StoreUnreachable: Kudu did not answer in time.
    """
    for start, stop, collection in _collections(keys):
        own = keys["image_id"].slice(start, stop - start).combine_chunks()
        where = _where(collection, own)
        ids = Ids(own)

        def put(batch: pa.RecordBatch, ids: Ids = ids, start: int = start) -> None:
            batch, rows = _wanted(batch, ids)
            if len(rows):
                cells.found[places[start + rows]] = True
                cells.put(places[start + rows], batch.select(list(columns)), spool)

        def scan(
            token: bytes | None = None, where: dict[str, object] = where, names: Any = columns
        ) -> Scan:
            if token is not None:
                return client.scan(IMAGES, ["image_id", *names], token=token)
            return client.scan(IMAGES, ["image_id", *names], where, snapshot_ms)

        _read(scan, put)
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
) -> None:
    """Reads the pixels that `fetch` did not find in `images` because they lie in `image_chunks`.

    Args:
        client: Open client.
        keys: As for `fetch`.
        places: As for `fetch`.
        snapshot_ms: What to read at.
        cells: With shapes.
        spool: Where pixels go.

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
    for start, stop, collection in _collections(large):
        own = large["image_id"].slice(start, stop - start).combine_chunks()
        where = _where(collection, own)
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

        def scan(token: bytes | None = None, where: dict[str, object] = where) -> Scan:
            if token is not None:
                return client.scan(IMAGE_CHUNKS, names, token=token)
            return client.scan(IMAGE_CHUNKS, names, where, snapshot_ms)

        _read(scan, put)
    cells.size[chunked] = arrived
    refuse_unfit(large, chunked, cells)


def _where(collection: str, ids: pa.Array) -> dict[str, object]:
    where: dict[str, object] = {"collection": collection}
    if len(ids) <= FEW_IDS:
        where["image_id"] = ids.to_pylist()
    return where


def _wanted(batch: pa.RecordBatch, ids: Ids) -> tuple[pa.RecordBatch, npt.NDArray[np.int64]]:
    places = ids.places(batch.column("image_id"))
    inside = places >= 0
    if inside.all():
        return batch, places
    return batch.filter(pa.array(inside)), places[inside]


def _read(scan: Callable[..., Scan], put: Callable[[pa.RecordBatch], None]) -> None:
    """Reads a scan by its tokens, several at once; the first error ends all."""
    stop = threading.Event()

    def one(token: bytes) -> None:
        try:
            for batch in scan(token).batches():
                if stop.is_set():
                    return
                put(batch)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(READERS) as readers:
        tokens = scan().tokens()
        for done in [readers.submit(one, token) for token in tokens]:
            done.result()


def _collections(keys: pa.Table) -> Iterator[tuple[int, int, str]]:
    """Begin, end and name of each collection's rows."""
    encoded = keys["collection"].combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy()
    bounds = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    for start, stop in pairwise(bounds):
        if stop > start:
            yield start, stop, encoded.dictionary[int(codes[start])].as_py()
