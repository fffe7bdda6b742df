"""Windows of a plan filled with pixels by threads that read ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.feed.rows.pixels import ShapeOf
from labelmill.live.kudu.buffers import room_for, sink_of
from labelmill.live.kudu.plan import KuduPlan
from labelmill.live.kudu.reader import Places, Reader, Sink, Wanted
from labelmill.live.kudu.window_order import Window

AHEAD = 1
"""Windows that are read, or wait, while one is used."""


@dataclass(frozen=True)
class Pixels:
    """Images side by side, and their masks.

    Attributes:
        images: ``(N, H, W, C)`` where the plan's images are of one shape, else a list.
        masks: The same of masks; None where they are not what is learned.
    """

    images: Any
    masks: Any


class Filled(NamedTuple):
    """A window of an epoch, with its pixels."""

    epoch: int
    window: Window
    pixels: Pixels


class Filling:
    """Windows as they are filled by threads, some ahead of the one that is used: begun at once.

    Args:
        plan: What there is.
        order: Epochs and windows, as they come.
        reader: Its ``stop`` is set when nobody reads on.
        readers: Threads that read.
        batch: Rows a batch; an epoch's batches begin where memory is aligned, if they can.
    """

    def __init__(
        self,
        plan: KuduPlan,
        order: Iterator[tuple[int, Window]],
        reader: Reader,
        readers: int,
        batch: int,
    ) -> None:
        self._plan, self._order, self._reader, self._batch = plan, order, reader, batch
        self._pool = ThreadPoolExecutor(readers, thread_name_prefix="labelmill-kudu")
        self._begun: deque[tuple[Filled, list[Future[None]]]] = deque()
        for _ in range(AHEAD):
            self._begin()

    @property
    def left(self) -> bool:
        """Whether windows are still to come."""
        return bool(self._begun)

    def __iter__(self) -> Iterator[Filled]:
        return self

    def __next__(self) -> Filled:
        """The next window, when it is full.

        Raises:
            MissingRow: Images are not there, or not whole.
            StoreUnreachable: Kudu did not answer for too long.
            StoreError: Kudu refused.
        """
        self._begin()
        if not self._begun:
            raise StopIteration
        try:
            window = _ended(*self._begun.popleft())
        except BaseException:
            self.close()
            raise
        if not self._begun:
            self.close()
        return window

    def close(self) -> None:
        """Ends what is being read, and the threads."""
        self._reader.stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._order = iter(())
        self._begun.clear()

    def __del__(self) -> None:
        self.close()

    def _begin(self) -> None:
        """Has one window more read."""
        epoch, window = next(self._order, (None, None))
        if epoch is None or window is None:
            return
        # TensorFlow takes over what is aligned; the batch before may end within this window.
        room = room_of(self._plan, window.end - window.begin, -window.begin % self._batch)
        reads = []
        at = 0
        for unit in window.units:
            rows = np.arange(unit.start, unit.stop)
            # Where they go is found out when they come: Kudu is asked before that.
            to = partial(_part_of, window, slice(at, at + len(rows)))
            at += len(rows)
            for read in reads_of(
                self._plan, unit.collection, rows, to, room, self._reader, unit.tokens
            ):
                reads.append(self._pool.submit(read))
        self._begun.append((Filled(epoch, window, room), reads))


def _ended(window: Filled, reads: list[Future[None]]) -> Filled:
    for read in reads:
        read.result()
    return window


def reads_of(
    plan: KuduPlan,
    collection: str,
    rows: Places,
    to: Callable[[], Places],
    room: Pixels,
    reader: Reader,
    tokens: tuple[bytes, ...],
) -> Iterator[Callable[[], None]]:
    """What is to be done so that some rows of one collection, ascending, get their pixels.

    Args:
        plan: What there is.
        collection: Theirs.
        rows: Of the index, ascending.
        to: Says where in the room each goes.
        room: For them, and their masks.
        reader: Reads them.
        tokens: See `Wanted.tokens`.
    """
    images = partial(_images, plan, collection, rows, to, room.images, tokens)
    yield from reader.parts(tokens, images)
    if room.masks is None:
        return
    own = _index_of(plan, rows)
    collections = own["mask_collection"].combine_chunks()
    for named in pc.unique(collections).to_pylist():
        of = np.flatnonzero(pc.equal(collections, named).to_numpy(zero_copy_only=False))
        yield partial(_read_masks, plan, named, own.take(pa.array(of)), of, to, room.masks, reader)


def _images(
    plan: KuduPlan,
    collection: str,
    rows: Places,
    to: Callable[[], Places],
    room: Any,
    tokens: tuple[bytes, ...],
) -> tuple[Wanted, Sink]:
    """Images of rows, and the way into their room."""
    own = _index_of(plan, rows)
    codes = own["shape"].to_numpy()
    ids = own["image_id"]
    # One chunk is taken as it is: to combine it would copy it.
    known = ids.chunk(0) if ids.num_chunks == 1 else ids.combine_chunks()
    wanted = Wanted(collection, known, plan.sizes[codes], tokens)
    return wanted, sink_of(room, to(), _shapes(plan, room, codes))


def _read_masks(
    plan: KuduPlan,
    collection: str,
    own: pa.Table,
    of: Places,
    to: Callable[[], Places],
    room: Any,
    reader: Reader,
) -> None:
    """Reads masks, which come in the order of their images, and may be shared: each is read once."""
    ids = own["mask_id"].combine_chunks()
    known = pc.unique(ids).sort()
    place = pc.index_in(ids, value_set=known).to_numpy()
    shape_of = own["mask_shape"].to_numpy()
    codes = np.empty(len(known), shape_of.dtype)
    codes[place] = shape_of
    held: list[Any] = [None] * len(known)
    sink = sink_of(held, np.arange(len(known)), _shapes(plan, held, codes))
    reader.read(Wanted(collection, known, plan.sizes[codes]), sink)
    for row, one in zip(to()[of].tolist(), place.tolist(), strict=True):
        room[row] = held[one]


def _index_of(plan: KuduPlan, rows: Places) -> pa.Table:
    """Rows of the index, ascending; a slice where they lie side by side."""
    if rows[-1] - rows[0] == len(rows) - 1:
        return plan.index.slice(int(rows[0]), len(rows))
    return plan.index.take(pa.array(rows))


def _shapes(plan: KuduPlan, room: Any, codes: Places) -> list[ShapeOf]:
    """The shape of each image, for a room that holds several."""
    return [plan.shapes[code] for code in codes.tolist()] if isinstance(room, list) else []


def _part_of(window: Window, rows: slice) -> Places:
    return window.places[rows]


def room_of(plan: KuduPlan, rows: int, first: int = 0) -> Pixels:
    """Room for images of a plan, and for their masks; see `room_for`."""
    masks = plan.target == "mask"
    return Pixels(
        room_for(rows, plan.image_shapes, first),
        room_for(rows, plan.mask_shapes, first) if masks else None,
    )
