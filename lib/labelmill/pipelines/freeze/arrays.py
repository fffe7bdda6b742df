"""Arrays of the rows of an index: images, and masks that go with them."""

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
from labelmill.pipelines.freeze.query_schema import PAYLOAD, Wanted
from labelmill.store.client import RowClient
from labelmill.training_sets.assembly.assemble import Arrays
from labelmill.training_sets.assembly.fetch_pixels import fetch, fetch_chunks
from labelmill.training_sets.assembly.pixel_index import Cells, refuse_null, refuse_unfit
from labelmill.training_sets.assembly.spool import Spool

Places = npt.NDArray[np.int64]


class Images:
    """Images of an index, read as they are needed.

    Args:
        client: Open client.
        index: Rows in order of collection and image_id.
        what: Which columns the query itself gives.
        snapshot_ms: What to read at.
        spool: Where pixels go.
    """

    def __init__(
        self, client: RowClient, index: pa.Table, what: Wanted, snapshot_ms: int, spool: Spool
    ) -> None:
        self._client, self._at, self._spool = client, snapshot_ms, spool
        self._keys = index.select(["collection", "image_id"])
        self._lacking = [name for name in PAYLOAD if name not in what.given]
        self._own_pixels = "pixels" in what.given
        self.cells = Cells(len(index))
        self._take_given(index, what)

    def splits(self, with_arrays: bool) -> npt.NDArray[np.int8]:
        """The splits that `images` gives, of every row of the index.

        Args:
            with_arrays: Read arrays as well, because all of them will be wanted.
        """
        names = ["split", *(self._lacking if with_arrays else ())]
        every = np.arange(len(self._keys))
        fetch(self._client, self._keys, every, names, self._at, self.cells, self._spool)
        if with_arrays:
            self._lacking = []
        return self.cells.splits

    def read(self, places: Places, stop: threading.Event | None = None) -> None:
        """Reads what is not there yet of some rows.

        Args:
            places: Of the index, ascending.
            stop: Set by who wants no more; then this ends with any error.

        Raises:
            InputError: An image that is not there, has no shape, or bytes that do not fit it; null
                where the query has pixels of its own.
        """
        every = len(places) == len(self._keys)
        keys = self._keys if every else self._keys.take(pa.array(places))
        if self._lacking:
            fetch(
                self._client, keys, places, self._lacking, self._at, self.cells, self._spool, stop
            )
            self._lacking = []
        if self._own_pixels:
            refuse_null(keys, places, self.cells)
        else:
            fetch_chunks(self._client, keys, places, self._at, self.cells, self._spool, stop)
        refuse_unfit(keys, places, self.cells)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Reads all rows while the block runs, and to the end of it; an error of the block ends both."""
        stop = threading.Event()
        with ThreadPoolExecutor(1) as beside:
            done = beside.submit(self.read, np.arange(len(self._keys)), stop)
            try:
                yield
            except BaseException:
                stop.set()
                raise
            done.result()

    def _take_given(self, index: pa.Table, what: Wanted) -> None:
        shapes = index.select(sorted(what.given - {"pixels"}))
        every = np.arange(len(index))
        for batch in shapes.combine_chunks().to_batches() if what.given else ():
            self.cells.put(every, batch, self._spool)
        if "pixels" in what.given:
            self.cells.start[:] = pc.fill_null(index[START], -1).to_numpy()
            self.cells.size[:] = pc.fill_null(index[SIZE], 0).to_numpy()


def masks_of(
    client: RowClient, rows: pa.Table, images: Arrays, snapshot_ms: int, spool: Spool
) -> Arrays:
    """The masks of images; several images may have the same one.

    Args:
        client: Open client.
        rows: In the order of the training set: ``image_id``, ``mask_collection``, ``mask_id``.
        images: Theirs.
        snapshot_ms: What to read at.
        spool: Where pixels go.

    Raises:
        InputError: A mask that is not there, or not as high and wide as its image.
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
    keys, every, cells = keys.take(order), np.arange(len(keys)), Cells(len(keys))
    fetch(client, keys, every, PAYLOAD, snapshot_ms, cells, spool)
    fetch_chunks(client, keys, every, snapshot_ms, cells, spool)
    refuse_unfit(keys, every, cells)
    masks = Arrays(cells, rank[codes])
    wrong = np.zeros(len(rows), np.bool_)
    for name in ("height", "width"):
        own, other = (a.cells.numbers[name][a.places] for a in (images, masks))
        wrong |= own != other
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        shape, mask = (a.cells.shape_text(int(a.places[row])) for a in (images, masks))
        raise other_size(
            rows["mask_id"][row], mask, rows["image_id"][row], shape, int(np.count_nonzero(wrong))
        )
    return masks
