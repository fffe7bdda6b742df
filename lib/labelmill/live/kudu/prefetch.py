"""Loads windows of a plan with threads that read ahead of the consumer."""

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

from labelmill.feed.order.permutation import RowIndex
from labelmill.feed.rows.pixels import ShapeOf
from labelmill.live.kudu.buffers import allocate, sink_for
from labelmill.live.kudu.plan import KuduPlan
from labelmill.live.kudu.reader import PixelReader
from labelmill.live.kudu.requests import ImageRequest, Sink
from labelmill.live.kudu.window_order import Window

AHEAD = 1
"""Windows that are being read, or wait, while one is used."""


@dataclass(frozen=True)
class WindowPixels:
    """Images, and their masks.

    Attributes:
        images: ``(N, H, W, C)`` where the plan's images are of one shape, else a list.
        masks: The same for masks; None where the target is not a mask.
    """

    images: Any
    masks: Any


class LoadedWindow(NamedTuple):
    """A window of an epoch, with its pixels."""

    epoch: int
    window: Window
    pixels: WindowPixels


class WindowLoader:
    """Windows in order, each with its pixels; threads start to read at once.

    Args:
        plan: The plan.
        order: Epochs and windows, in order.
        reader: Reads the pixels; its ``stop`` is set when the loader is closed.
        readers: Number of threads.
        batch: Rows per batch; batches of an epoch start at aligned memory where possible.
    """

    def __init__(
        self,
        plan: KuduPlan,
        order: Iterator[tuple[int, Window]],
        reader: PixelReader,
        readers: int,
        batch: int,
    ) -> None:
        self._plan, self._order, self._reader, self._batch = plan, order, reader, batch
        self._pool = ThreadPoolExecutor(readers, thread_name_prefix="labelmill-kudu")
        self._started: deque[tuple[LoadedWindow, list[Future[None]]]] = deque()
        for _ in range(AHEAD):
            self._start_next()

    @property
    def left(self) -> bool:
        """Whether there are more windows."""
        return bool(self._started)

    def __iter__(self) -> Iterator[LoadedWindow]:
        return self

    def __next__(self) -> LoadedWindow:
        """The next window, once all its pixels are there.

        Raises:
            MissingRow: Images are missing or incomplete.
            StoreUnreachable: Kudu did not answer for too long.
            StoreError: Kudu refused.
        """
        self._start_next()
        if not self._started:
            raise StopIteration
        try:
            window = _wait(*self._started.popleft())
        except BaseException:
            self.close()
            raise
        if not self._started:
            self.close()
        return window

    def close(self) -> None:
        """Stops all reads, and the threads."""
        self._reader.stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._order = iter(())
        self._started.clear()

    def __del__(self) -> None:
        self.close()

    def _start_next(self) -> None:
        epoch, window = next(self._order, (None, None))
        if epoch is None or window is None:
            return
        # TensorFlow takes over aligned memory without a copy. The epoch's first batch that starts in
        # this window may start after its first row.
        first = -window.begin % self._batch
        pixels = allocate_window(self._plan, window.end - window.begin, first)
        reads = []
        start = 0
        for unit in window.units:
            rows = np.arange(unit.start, unit.stop)
            # Positions are computed only when rows arrive, so that the first request leaves early.
            targets = partial(_positions_of, window, slice(start, start + len(rows)))
            start += len(rows)
            for read in reads_of(
                self._plan, unit.collection, rows, targets, pixels, self._reader, unit.tokens
            ):
                reads.append(self._pool.submit(read))
        self._started.append((LoadedWindow(epoch, window, pixels), reads))


def _wait(window: LoadedWindow, reads: list[Future[None]]) -> LoadedWindow:
    for read in reads:
        read.result()
    return window


def reads_of(
    plan: KuduPlan,
    collection: str,
    rows: RowIndex,
    targets: Callable[[], RowIndex],
    pixels: WindowPixels,
    reader: PixelReader,
    tokens: tuple[bytes, ...],
) -> Iterator[Callable[[], None]]:
    """Functions that together read the pixels of some rows of one collection.

    Args:
        plan: The plan.
        collection: Collection of the rows.
        rows: Rows of the index, ascending.
        targets: Returns the position in `pixels` of each row.
        pixels: Receives images and masks.
        reader: Reads them.
        tokens: See `ImageRequest.tokens`.
    """
    request = partial(_request_images, plan, collection, rows, targets, pixels.images, tokens)
    yield from reader.divide(tokens, request)
    if pixels.masks is None:
        return
    own = _index_rows(plan, rows)
    collections = own["mask_collection"].combine_chunks()
    for name in pc.unique(collections).to_pylist():
        of = np.flatnonzero(pc.equal(collections, name).to_numpy(zero_copy_only=False))
        own_masks = own.take(pa.array(of))
        yield partial(_read_masks, plan, name, own_masks, of, targets, pixels.masks, reader)


def _request_images(
    plan: KuduPlan,
    collection: str,
    rows: RowIndex,
    targets: Callable[[], RowIndex],
    memory: Any,
    tokens: tuple[bytes, ...],
) -> tuple[ImageRequest, Sink]:
    own = _index_rows(plan, rows)
    codes = own["shape"].to_numpy()
    ids = own["image_id"]
    # A single chunk is used as it is: combine_chunks would copy it.
    known = ids.chunk(0) if ids.num_chunks == 1 else ids.combine_chunks()
    request = ImageRequest(collection, known, plan.sizes[codes], tokens)
    return request, sink_for(memory, targets(), _shapes(plan, memory, codes))


def _read_masks(
    plan: KuduPlan,
    collection: str,
    own: pa.Table,
    of: RowIndex,
    targets: Callable[[], RowIndex],
    memory: Any,
    reader: PixelReader,
) -> None:
    """Reads masks, each once: rows are in the order of images, and several may share a mask."""
    ids = own["mask_id"].combine_chunks()
    known = pc.unique(ids).sort()
    positions = pc.index_in(ids, value_set=known).to_numpy()
    shape_codes = own["mask_shape"].to_numpy()
    codes = np.empty(len(known), shape_codes.dtype)
    codes[positions] = shape_codes
    masks: list[Any] = [None] * len(known)
    sink = sink_for(masks, np.arange(len(known)), _shapes(plan, masks, codes))
    reader.read(ImageRequest(collection, known, plan.sizes[codes]), sink)
    for target, position in zip(targets()[of].tolist(), positions.tolist(), strict=True):
        memory[target] = masks[position]


def _index_rows(plan: KuduPlan, rows: RowIndex) -> pa.Table:
    """Rows of the index, ascending; a slice where they are adjacent."""
    if rows[-1] - rows[0] == len(rows) - 1:
        return plan.index.slice(int(rows[0]), len(rows))
    return plan.index.take(pa.array(rows))


def _shapes(plan: KuduPlan, memory: Any, codes: RowIndex) -> list[ShapeOf]:
    """The shape of each image, where `memory` needs it."""
    return [plan.shapes[code] for code in codes.tolist()] if isinstance(memory, list) else []


def _positions_of(window: Window, rows: slice) -> RowIndex:
    return window.positions[rows]


def allocate_window(plan: KuduPlan, rows: int, first: int = 0) -> WindowPixels:
    """Allocates memory for images of a plan, and for their masks; see `allocate`."""
    masks = plan.target == "mask"
    return WindowPixels(
        allocate(rows, plan.image_shapes, first),
        allocate(rows, plan.mask_shapes, first) if masks else None,
    )
