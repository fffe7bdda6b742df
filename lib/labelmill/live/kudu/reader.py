"""Images out of Kudu and into place, through outages.

Pixels are put where their image's id belongs, so what was read before a scanner was lost is read
again, and never given twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.errors import MissingRow
from labelmill.store.client import RowClient
from labelmill.store.reading.id_index import Ids
from labelmill.store.reading.scan_retry import steadily
from labelmill.store.scans import Scan
from labelmill.store.schema.tables import IMAGE_CHUNKS, IMAGES
from labelmill.store.schema.types import Table

PIXELS = ("image_id", "pixels")
"""Columns of a plan's tokens."""

CHUNKS_BYTES = 8 << 20
"""Of images that are put together from chunks at once, about."""

Places = npt.NDArray[np.int64]


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
        orders: Where the rows of each batch of a scan belonged, by token and number of the batch. Kudu
            mostly gives them in the same order again; four bytes an image.
    """

    client: RowClient
    snapshot_ms: int
    patience_s: float
    stop: threading.Event
    orders: dict[tuple[bytes, int], npt.NDArray[np.int32]] = field(default_factory=dict)

    def read(self, wanted: Wanted, sink: Sink) -> None:
        """Reads images to their places among ``wanted.ids``.

        Raises:
            MissingRow: Some are not there, or not whole.
            StoreUnreachable: Kudu did not answer for too long.
            StoreError: Kudu refused.
            Stopped: Nobody waits any more.
        """
        for part in self.parts(wanted.tokens, lambda: (wanted, sink)):
            part()

    def parts(
        self, tokens: Sequence[bytes], asked: Callable[[], tuple[Wanted, Sink]]
    ) -> list[Callable[[], None]]:
        """`read` in parts, one a token, that threads may share out; each raises what `read` does.

        Args:
            tokens: As ``wanted.tokens``.
            asked: What is to be read and where it goes; called once, when the first rows are there.
        """
        reading = _Reading(self, asked, max(1, len(tokens)))
        if not tokens:
            return [partial(reading.part, reading.by_id, None)]
        return [
            partial(reading.part, partial(self.client.scan, IMAGES, PIXELS, token=token), token)
            for token in tokens
        ]

    def chunks(
        self, wanted: Wanted, large: npt.NDArray[np.bool_], sink: Sink
    ) -> npt.NDArray[np.bool_]:
        """Puts images that are stored in chunks; says which were found, ``(N,)`` bool."""
        found = np.zeros(len(large), np.bool_)
        places = np.flatnonzero(large)
        # Some at a time: chunks are in memory three times while they are put together.
        groups = (np.cumsum(wanted.sizes[places]) - 1) // CHUNKS_BYTES
        for some in np.split(places, np.flatnonzero(np.diff(groups)) + 1):
            found[some] = self._some_chunks(wanted, some, sink)
        return found

    def _some_chunks(self, wanted: Wanted, places: Places, sink: Sink) -> bool:
        """Puts images that are stored in chunks; whether there were any chunks of them."""
        chosen = wanted.ids.take(pa.array(places))
        ids, columns = Ids(chosen), ("image_id", "chunk", "data")
        parts: list[pa.RecordBatch] = []
        self.steadily(
            partial(self.by_id, IMAGE_CHUNKS, columns, wanted.collection, chosen),
            parts.append,
            again=parts.clear,
        )
        if not parts:
            return False
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
        self.put(wanted, sink, places, whole)
        return True

    def steadily(
        self,
        scan: Callable[[], Scan],
        take: Callable[[pa.RecordBatch], object],
        again: Callable[[], object] = lambda: None,
    ) -> None:
        """See `labelmill.store.reading.scan_retry.steadily`."""
        steadily(scan, take, self.patience_s, self.stop, again)

    def by_id(self, table: Table, columns: Sequence[str], collection: str, ids: pa.Array) -> Scan:
        where = {"collection": collection, "image_id": ids.to_pylist()}
        return self.client.scan(table, columns, where, self.snapshot_ms)

    def put(self, wanted: Wanted, sink: Sink, places: Places, pixels: pa.Array) -> None:
        ends = np.frombuffer(pixels.buffers()[1], np.int32)[pixels.offset :][: len(pixels) + 1]
        sizes = np.diff(ends)
        wrong = np.flatnonzero(sizes != wanted.sizes[places])
        if len(wrong):
            place = int(places[wrong[0]])
            raise MissingRow(
                f"image {wanted.collection}/{wanted.ids[place]} has {sizes[wrong[0]]:,} bytes of pixels, "
                f"its shape says {wanted.sizes[place]:,}; chunks are missing: ingest it again"
            )
        sink.put(places, pixels)


class _Reading:
    """Images of one collection on their way to a sink, in parts.

    Args:
        reader: Reads them.
        asked: See `Reader.parts`.
        parts: How many there are.
    """

    def __init__(
        self, reader: Reader, asked: Callable[[], tuple[Wanted, Sink]], parts: int
    ) -> None:
        self._reader, self._asked, self._left = reader, asked, parts
        self._lock = threading.Lock()
        self._begun: _Begun | None = None

    def part(self, scan: Callable[[], Scan], token: bytes | None) -> None:
        """Reads what one scan gives; the part that ends last also what was in none of them."""
        taken: list[int] = []

        def take(batch: pa.RecordBatch) -> None:
            self._take(batch, None if token is None else (token, len(taken)))
            taken.append(len(batch))

        self._reader.steadily(scan, take, again=taken.clear)
        with self._lock:
            self._left -= 1
            last = not self._left
        if last:
            self._end()

    def by_id(self) -> Scan:
        """A scan by ids, where there is no token."""
        wanted = self._known().wanted
        return self._reader.by_id(IMAGES, PIXELS, wanted.collection, wanted.ids)

    def _known(self) -> _Begun:
        with self._lock:
            if self._begun is None:
                wanted, sink = self._asked()
                count = len(wanted.ids)
                self._begun = _Begun(
                    wanted,
                    sink,
                    Ids(wanted.ids),
                    np.zeros(count, np.bool_),
                    np.zeros(count, np.bool_),
                )
            return self._begun

    def _take(self, batch: pa.RecordBatch, known_as: tuple[bytes, int] | None) -> None:
        wanted, sink, ids, seen, large = self._known()
        orders, pixels = self._reader.orders, batch.column(1)
        guess = None if known_as is None else orders.get(known_as)
        places = ids.places(batch.column(0), guess)
        keep = places >= 0
        if known_as is not None and places is not guess and keep.all():
            orders[known_as] = places.astype(np.int32)
        if pixels.null_count:
            there = pixels.is_valid().to_numpy(zero_copy_only=False)
            large[places[keep & ~there]] = True
            keep &= there
        if not keep.all():
            places, pixels = places[keep], pixels.filter(pa.array(keep))
        self._reader.put(wanted, sink, places, pixels)
        seen[places] = True

    def _end(self) -> None:
        wanted, sink, _, seen, large = self._known()
        if large.any():
            seen |= self._reader.chunks(wanted, large, sink)
        if not seen.all():
            missing = np.flatnonzero(~seen).tolist()
            shown = ", ".join(f"{wanted.collection}/{str(wanted.ids[i])[:12]}" for i in missing[:3])
            raise MissingRow(
                f"{len(missing):,} images of the plan are not in Kudu at snapshot "
                f"{self._reader.snapshot_ms}: {shown}; is it older than Kudu's history (7 days unless "
                "configured otherwise)? Plan the query again"
            )


class _Begun(NamedTuple):
    """What is known when the first rows are there: what is wanted, and which images were found."""

    wanted: Wanted
    sink: Sink
    ids: Ids
    seen: npt.NDArray[np.bool_]
    large: npt.NDArray[np.bool_]
