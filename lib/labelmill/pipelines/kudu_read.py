"""Images out of Kudu and into place, through outages.

Pixels are put where their image's id belongs, so what was read before a scanner was lost is read
again, and never given twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.errors import MissingRow, ScannerExpired, StoreUnreachable
from labelmill.pipelines.kudu_ids import Ids
from labelmill.store.client import RowClient
from labelmill.store.scans import Scan
from labelmill.store.table_types import Table
from labelmill.store.tables import IMAGE_CHUNKS, IMAGES

PIXELS = ("image_id", "pixels")
"""Columns of a plan's tokens."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
# Seconds before a lost scan is begun again: doubled each time, up to the longest.

Places = npt.NDArray[np.int64]


class Stopped(Exception):
    """Nobody waits for these images any more."""


class Sink(Protocol):
    """Where pixels go."""

    def put(self, places: Places, pixels: pa.Array) -> None:
        """Takes array bytes, as long as their shapes say; the same may come again."""
        ...


@dataclass(frozen=True)
class Wanted:
    """Images of one collection.

    Attributes:
        collection: Theirs.
        ids: Ascending, none twice.
        sizes: Bytes of each one's array, ``(N,)``.
        tokens: Scan tokens among whose rows they are; empty: they are asked for by id.
    """

    collection: str
    ids: pa.Array
    sizes: npt.NDArray[np.int64]
    tokens: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Reader:
    """Reads for one consumer; threads may share it.

    Args:
        client: Open client.
        snapshot_ms: What it reads at.
        patience_s: For how long nothing may arrive before an outage is an error.
        stop: Set when the consumer has gone.
    """

    client: RowClient
    snapshot_ms: int
    patience_s: float
    stop: threading.Event

    def read(self, wanted: Wanted, sink: Sink) -> None:
        """Reads images to their places among ``wanted.ids``.

        Raises:
            MissingRow: Some are not there, or not whole.
            StoreUnreachable: Kudu did not answer for too long.
            StoreError: Kudu refused.
            Stopped: Nobody waits any more.
        """
        ids = Ids(wanted.ids)
        seen, large = np.zeros(len(ids), np.bool_), np.zeros(len(ids), np.bool_)

        def take(batch: pa.RecordBatch) -> None:
            places, pixels = ids.places(batch.column(0)), batch.column(1)
            keep = places >= 0
            if pixels.null_count:
                there = pixels.is_valid().to_numpy(zero_copy_only=False)
                large[places[keep & ~there]] = True
                keep &= there
            if not keep.all():
                places, pixels = places[keep], pixels.filter(pa.array(keep))
            self._put(wanted, sink, places, pixels)
            seen[places] = True

        if wanted.tokens:
            scans = [partial(self.client.scan, IMAGES, PIXELS, token=t) for t in wanted.tokens]
        else:
            scans = [partial(self._by_id, IMAGES, PIXELS, wanted.collection, wanted.ids)]
        for scan in scans:
            self._steadily(scan, take)
        if large.any():
            seen |= self._chunks(wanted, large, sink)
        if not seen.all():
            missing = np.flatnonzero(~seen).tolist()
            shown = ", ".join(f"{wanted.collection}/{str(wanted.ids[i])[:12]}" for i in missing[:3])
            raise MissingRow(
                f"{len(missing):,} images of the plan are not in Kudu at snapshot {self.snapshot_ms}: "
                f"{shown}; is it older than Kudu's history (7 days unless configured otherwise)? "
                "Plan the query again"
            )

    def _chunks(
        self, wanted: Wanted, large: npt.NDArray[np.bool_], sink: Sink
    ) -> npt.NDArray[np.bool_]:
        """Puts images that are stored in chunks; says which were found, ``(N,)`` bool."""
        places = np.flatnonzero(large)
        chosen = wanted.ids.take(pa.array(places))
        ids, columns = Ids(chosen), ("image_id", "chunk", "data")
        parts: list[pa.RecordBatch] = []
        self._steadily(
            partial(self._by_id, IMAGE_CHUNKS, columns, wanted.collection, chosen),
            parts.append,
            parts.clear,
        )
        found = np.zeros(len(large), np.bool_)
        if not parts:
            return found
        chunks = pa.Table.from_batches(parts).combine_chunks()
        owners = ids.places(chunks["image_id"].combine_chunks())
        order = np.lexsort((chunks["chunk"].to_numpy(), owners))
        data = pc.take(chunks["data"].combine_chunks(), pa.array(order))
        # In order, the pieces of each image lie side by side: only the offsets between images stay.
        lengths = pc.binary_length(data).to_numpy().astype(np.int64)
        sizes = np.bincount(owners[order], lengths, len(ids)).astype(np.int64)
        offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
        buffers = [None, pa.py_buffer(offsets), data.buffers()[2]]
        whole = pa.Array.from_buffers(pa.binary(), len(ids), buffers)
        self._put(wanted, sink, places, whole)
        found[places] = True
        return found

    def _by_id(self, table: Table, columns: Sequence[str], collection: str, ids: pa.Array) -> Scan:
        where = {"collection": collection, "image_id": ids.to_pylist()}
        return self.client.scan(table, columns, where, self.snapshot_ms)

    def _put(self, wanted: Wanted, sink: Sink, places: Places, pixels: pa.Array) -> None:
        sizes = pc.binary_length(pixels).to_numpy()
        wrong = np.flatnonzero(sizes != wanted.sizes[places])
        if len(wrong):
            place = int(places[wrong[0]])
            raise MissingRow(
                f"image {wanted.collection}/{wanted.ids[place]} has {sizes[wrong[0]]:,} bytes of pixels, "
                f"its shape says {wanted.sizes[place]:,}; chunks are missing: ingest it again"
            )
        sink.put(places, pixels)

    def _steadily(
        self,
        scan: Callable[[], Scan],
        take: Callable[[pa.RecordBatch], object],
        again: Callable[[], object] = lambda: None,
    ) -> None:
        """Reads a scan to its end; begins again after an outage, while it does not last too long.

        Args:
            scan: Makes it.
            take: Is given each batch.
            again: Called before a new beginning.
        """
        heard, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            try:
                for batch in scan().batches():
                    if self.stop.is_set():
                        raise Stopped
                    take(batch)
                    heard, pause = time.monotonic(), _FIRST_PAUSE
                return
            except (StoreUnreachable, ScannerExpired):
                if time.monotonic() - heard > self.patience_s:
                    raise
            if self.stop.wait(pause):
                raise Stopped
            pause = min(2 * pause, _LONGEST_PAUSE)
            again()
