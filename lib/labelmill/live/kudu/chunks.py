"""Images that are stored in chunks, put together."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.feed.order.permutation import RowIndex
from labelmill.live.kudu.requests import ImageRequest, Sink, put_pixels
from labelmill.live.kudu.scans import SnapshotScans
from labelmill.store.reading.id_index import IdIndex
from labelmill.store.schema.tables import IMAGE_CHUNKS

CHUNKS_BYTES = 8 << 20
"""About how many bytes of images are put together at once."""


def read_chunks(
    scans: SnapshotScans, request: ImageRequest, large: npt.NDArray[np.bool_], sink: Sink
) -> npt.NDArray[np.bool_]:
    """Reads images that are stored in chunks.

    Args:
        scans: Scans of the snapshot.
        request: What is read.
        large: Which images of the request are stored in chunks, ``(N,)``.
        sink: Receives their pixels.

    Returns:
        Which images had chunks, ``(N,)`` bool.

    Raises:
        MissingRow: Chunks of an image are missing.
        StoreUnreachable: Kudu did not answer for too long.
        StoreError: Kudu refused.
    """
    found = np.zeros(len(large), np.bool_)
    positions = np.flatnonzero(large)
    # A few at a time: chunks are in memory three times while they are put together.
    groups = (np.cumsum(request.sizes[positions]) - 1) // CHUNKS_BYTES
    for group in np.split(positions, np.flatnonzero(np.diff(groups)) + 1):
        found[group] = _read_group(scans, request, group, sink)
    return found


def _read_group(scans: SnapshotScans, request: ImageRequest, group: RowIndex, sink: Sink) -> bool:
    """Reads some images; whether there were any chunks of them."""
    chosen = request.ids.take(pa.array(group))
    ids, columns = IdIndex(chosen), ("image_id", "chunk", "data")
    batches: list[pa.RecordBatch] = []
    scans.run(
        partial(scans.by_id, IMAGE_CHUNKS, columns, request.collection, chosen),
        batches.append,
        again=batches.clear,
    )
    if not batches:
        return False
    chunks = pa.Table.from_batches(batches).combine_chunks()
    owners = ids.positions(chunks["image_id"].combine_chunks())
    order = np.lexsort((chunks["chunk"].to_numpy(), owners))
    data = pc.take(chunks["data"].combine_chunks(), pa.array(order))
    # Once sorted, an image's chunks are adjacent in memory: only the offsets between images remain.
    lengths = pc.binary_length(data).to_numpy().astype(np.int64)
    sizes = np.bincount(owners[order], lengths, len(ids)).astype(np.int64)
    offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), data.buffers()[2]]
    whole = pa.Array.from_buffers(pa.binary(), len(ids), buffers)
    put_pixels(request, sink, group, whole)
    return True
