"""Reads the pixels of indexed images from Kudu into a spool, without Spark.

The driver's row client reads `images` by columns, several times as fast as Spark passes rows on
(decision 0082). Memory holds only the shape of each image and where its bytes are in the spool.
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
from labelmill.store.reading.id_index import BY_ID_ROWS, DENSE, IdIndex
from labelmill.store.reading.parallel_scan import read
from labelmill.store.schema.tables import CHUNK_BYTES, IMAGE_CHUNKS, IMAGES
from labelmill.store.schema.types import Table
from labelmill.training_sets.assembly.index import shown_rows
from labelmill.training_sets.assembly.pixel_index import (
    PixelIndex,
    refuse_shapeless,
    refuse_size_mismatch,
    size_mismatch,
)
from labelmill.training_sets.assembly.spool import Spool


def fetch(
    client: RowClient,
    keys: pa.Table,
    positions: npt.NDArray[np.int64],
    columns: Sequence[str],
    snapshot_ms: int,
    index: PixelIndex,
    spool: Spool,
    stop: threading.Event | None = None,
) -> None:
    """Reads columns of `images` into index.

    Args:
        client: Open client.
        keys: ``collection`` and ``image_id``, sorted by both, none twice.
        positions: ``(len(keys),)`` row of each key in the pixel index.
        columns: Any of ``height``, ``width``, ``channels``, ``dtype``, ``split``, ``pixels``.
        snapshot_ms: What to read at.
        index: Filled in.
        spool: Receives the pixels.
        stop: Set by the caller to end early; images not read by then count as missing.

    Raises:
        InputError: Images that do not exist; a full disk.
        StoreError: Kudu refused.
        StoreUnreachable: Kudu did not answer in time.
    """
    for start, upto, collection in _collections(keys):
        own = keys["image_id"].slice(start, upto - start).combine_chunks()
        ids = IdIndex(own)

        def put(batch: pa.RecordBatch, ids: IdIndex = ids, start: int = start) -> None:
            batch, rows = _keep_wanted(batch, ids)
            if len(rows):
                index.found[positions[start + rows]] = True
                index.put(positions[start + rows], batch.select(list(columns)), spool)

        for where in _predicates(client, IMAGES, collection, own, snapshot_ms):
            read(client, IMAGES, ["image_id", *columns], where, snapshot_ms, put, stop)
    missing = np.flatnonzero(~index.found[positions])
    if len(missing):
        raise InputError(
            f"{len(missing):,} of {len(keys):,} images that the query names are not in `images` at "
            f"snapshot {snapshot_ms}: {shown_rows(keys, 'image_id', missing)}; join the view images to keep "
            "only images that exist"
        )


def fetch_chunks(
    client: RowClient,
    keys: pa.Table,
    positions: npt.NDArray[np.int64],
    snapshot_ms: int,
    index: PixelIndex,
    spool: Spool,
    stop: threading.Event | None = None,
) -> None:
    """Reads pixels that are stored in `image_chunks` instead of `images`.

    Args:
        client: Open client.
        keys: As for `fetch`.
        positions: As for `fetch`.
        snapshot_ms: What to read at.
        index: Holds the shapes; filled in.
        spool: Receives the pixels.
        stop: As for `fetch`.

    Raises:
        InputError: Chunks that are missing or do not fit the shape; a full disk.
        StoreError: Kudu refused.
        StoreUnreachable: Kudu did not answer in time.
    """
    lacking = np.flatnonzero(index.start[positions] < 0)
    if not len(lacking):
        return
    chunked = positions[lacking]
    large = keys.take(pa.array(lacking))
    refuse_shapeless(large, chunked, index)
    expected = index.expected_sizes()
    for position in chunked.tolist():
        index.start[position] = spool.reserve(int(expected[position]))
    arrived = np.zeros(len(chunked), np.int64)
    lock = threading.Lock()
    names = ["image_id", "chunk", "data"]
    for start, upto, collection in _collections(large):
        own = large["image_id"].slice(start, upto - start).combine_chunks()
        ids = IdIndex(own)

        def put(batch: pa.RecordBatch, ids: IdIndex = ids, start: int = start) -> None:
            batch, rows = _keep_wanted(batch, ids)
            numbers = batch.column("chunk").to_pylist()
            for row, number, data in zip(start + rows, numbers, batch.column("data"), strict=True):
                position = int(chunked[row])
                piece, begin = memoryview(data.as_buffer()), number * CHUNK_BYTES
                end, size = begin + piece.nbytes, int(expected[position])
                if end > size or (end < size and piece.nbytes != CHUNK_BYTES):
                    raise InputError(
                        size_mismatch(large["image_id"][int(row)], position, index, end)
                    )
                spool.put(int(index.start[position]) + begin, piece)
                with lock:
                    arrived[row] += piece.nbytes

        for where in _predicates(client, IMAGE_CHUNKS, collection, own, snapshot_ms):
            read(client, IMAGE_CHUNKS, names, where, snapshot_ms, put, stop)
    index.size[chunked] = arrived
    refuse_size_mismatch(large, chunked, index)


def _predicates(
    client: RowClient, table: Table, collection: str, ids: pa.Array, at: int
) -> Iterator[dict[str, object]]:
    """Predicates to scan with: the whole collection, or batches of its image ids."""
    where: dict[str, object] = {"collection": collection}
    if len(ids) > BY_ID_ROWS and _dense(client, table, where, len(ids), at):
        yield where
        return
    for start in range(0, len(ids), BY_ID_ROWS):
        yield where | {"image_id": ids.slice(start, BY_ID_ROWS).to_pylist()}


def _dense(
    client: RowClient, table: Table, where: Mapping[str, object], wanted: int, at: int
) -> bool:
    """Whether the wanted images are at least `DENSE` of the collection; reads no more than it needs."""
    there = 0
    # Counts by the narrowest column; a chunked image is counted by its first chunk.
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


def _keep_wanted(
    batch: pa.RecordBatch, ids: IdIndex
) -> tuple[pa.RecordBatch, npt.NDArray[np.int64]]:
    positions = ids.positions(batch.column("image_id"))
    inside = positions >= 0
    if inside.all():
        return batch, positions
    return batch.filter(pa.array(inside)), positions[inside]


def _collections(keys: pa.Table) -> Iterator[tuple[int, int, str]]:
    """Start, end and name of each collection's rows."""
    encoded = keys["collection"].combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy()
    bounds = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    for start, stop in pairwise(bounds):
        if stop > start:
            yield start, stop, encoded.dictionary[int(codes[start])].as_py()
