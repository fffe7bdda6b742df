"""Reads the arrays of an index: images and their masks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.feed.rows.pixels import other_size
from labelmill.pipelines.freeze.collect import SIZE, START
from labelmill.pipelines.freeze.query_schema import PAYLOAD, QuerySchema
from labelmill.store.client import RowClient
from labelmill.training_sets.assembly.assemble import ArrayColumn
from labelmill.training_sets.assembly.fetch_pixels import fetch, fetch_chunks
from labelmill.training_sets.assembly.pixel_index import (
    PixelIndex,
    refuse_null_pixels,
    refuse_size_mismatch,
)
from labelmill.training_sets.assembly.spool import Spool

Positions = npt.NDArray[np.int64]


class Images:
    """The images of an index, read on demand.

    Args:
        client: Open client.
        index: Rows sorted by collection and image_id.
        schema: The columns that the query itself returns.
        snapshot_ms: Snapshot to read at.
        spool: Receives the pixels.
    """

    def __init__(
        self,
        client: RowClient,
        index: pa.Table,
        schema: QuerySchema,
        snapshot_ms: int,
        spool: Spool,
    ) -> None:
        self._client, self._at, self._spool = client, snapshot_ms, spool
        self._keys = index.select(["collection", "image_id"])
        self._lacking = [name for name in PAYLOAD if name not in schema.given]
        self._own_pixels = "pixels" in schema.given
        self.arrays = PixelIndex(len(index))
        self._take_given(index, schema)

    def splits(self, with_arrays: bool) -> npt.NDArray[np.int8]:
        """The splits that `images` gives, of every row of the index.

        Args:
            with_arrays: Read the arrays as well, because all of them will be needed.
        """
        names = ["split", *(self._lacking if with_arrays else ())]
        every = np.arange(len(self._keys))
        fetch(self._client, self._keys, every, names, self._at, self.arrays, self._spool)
        if with_arrays:
            self._lacking = []
        return self.arrays.splits

    def read(self, positions: Positions, stop: threading.Event | None = None) -> None:
        """Reads what is still missing of some rows.

        Args:
            positions: Rows of the index, ascending.
            stop: Set by the caller to end early; then any error may be raised.

        Raises:
            InputError: An image that does not exist, has no shape, or has bytes that do not match it;
                null pixels where the query gives pixels of its own.
        """
        every = len(positions) == len(self._keys)
        keys = self._keys if every else self._keys.take(pa.array(positions))
        if self._lacking:
            fetch(
                self._client,
                keys,
                positions,
                self._lacking,
                self._at,
                self.arrays,
                self._spool,
                stop,
            )
            self._lacking = []
        if self._own_pixels:
            refuse_null_pixels(keys, positions, self.arrays)
        else:
            fetch_chunks(self._client, keys, positions, self._at, self.arrays, self._spool, stop)
        refuse_size_mismatch(keys, positions, self.arrays)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Reads all rows while the block runs and waits for the end; an error in the block stops the reading."""
        stop = threading.Event()
        with ThreadPoolExecutor(1) as beside:
            done = beside.submit(self.read, np.arange(len(self._keys)), stop)
            try:
                yield
            except BaseException:
                stop.set()
                raise
            done.result()

    def _take_given(self, index: pa.Table, schema: QuerySchema) -> None:
        shapes = index.select(sorted(schema.given - {"pixels"}))
        every = np.arange(len(index))
        for batch in shapes.combine_chunks().to_batches() if schema.given else ():
            self.arrays.put(every, batch, self._spool)
        if "pixels" in schema.given:
            self.arrays.start[:] = pc.fill_null(index[START], -1).to_numpy()
            self.arrays.size[:] = pc.fill_null(index[SIZE], 0).to_numpy()


def masks_of(
    client: RowClient, rows: pa.Table, images: ArrayColumn, snapshot_ms: int, spool: Spool
) -> ArrayColumn:
    """Reads the masks of images; several images may share one.

    Args:
        client: Open client.
        rows: Sorted as the training set: ``image_id``, ``mask_collection``, ``mask_id``.
        images: Of the same rows.
        snapshot_ms: Snapshot to read at.
        spool: Receives the pixels.

    Raises:
        InputError: A mask that does not exist, or whose height or width differs from its image's.
    """
    named = rows.select(["mask_collection", "mask_id"]).rename_columns(["collection", "image_id"])
    parts = [named[column].combine_chunks() for column in named.column_names]
    encoded = pc.binary_join_element_wise(*parts, "\0").dictionary_encode()
    codes = encoded.indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    keys = named.take(pa.array(first))
    order = pc.sort_indices(keys, [("collection", "ascending"), ("image_id", "ascending")])
    rank = np.empty(len(keys), np.int64)
    rank[order.to_numpy()] = np.arange(len(keys))
    keys, every, index = keys.take(order), np.arange(len(keys)), PixelIndex(len(keys))
    fetch(client, keys, every, PAYLOAD, snapshot_ms, index, spool)
    fetch_chunks(client, keys, every, snapshot_ms, index, spool)
    refuse_size_mismatch(keys, every, index)
    masks = ArrayColumn(index, rank[codes])
    wrong = np.zeros(len(rows), np.bool_)
    for name in ("height", "width"):
        own, other = (a.index.numbers[name][a.positions] for a in (images, masks))
        wrong |= own != other
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        shape, mask = (a.index.shape_text(int(a.positions[row])) for a in (images, masks))
        raise other_size(
            rows["mask_id"][row], mask, rows["image_id"][row], shape, int(np.count_nonzero(wrong))
        )
    return masks
