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

from labelmill.pipelines.kudu_order import Window
from labelmill.pipelines.kudu_plan import KuduPlan
from labelmill.pipelines.kudu_read import Places, Reader, Wanted
from labelmill.pipelines.kudu_sinks import room_for, sink_of

AHEAD = 1
"""Windows that are read while one is used."""


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


def filled(
    plan: KuduPlan, order: Iterator[tuple[int, Window]], reader: Reader, readers: int
) -> Iterator[Filled]:
    """Reads windows, some ahead of the one that is used.

    Args:
        plan: What there is.
        order: Epochs and windows, as they come.
        reader: Its ``stop`` is set when nobody reads on.
        readers: Threads that read.

    Raises:
        MissingRow: Images are not there, or not whole.
        StoreUnreachable: Kudu did not answer for too long.
        StoreError: Kudu refused.
    """
    pool = ThreadPoolExecutor(readers, thread_name_prefix="labelmill-kudu")
    begun: deque[tuple[Filled, list[Future[None]]]] = deque()
    try:
        for epoch, window in order:
            room, reads = room_of(plan, len(window.places)), []
            at = 0
            for unit in window.units:
                rows = np.arange(unit.start, unit.stop)
                to = window.places[at : at + len(rows)]
                at += len(rows)
                for read in reads_of(plan, unit.collection, rows, to, room, reader, unit.tokens):
                    reads.append(pool.submit(read))
            begun.append((Filled(epoch, window, room), reads))
            if len(begun) > AHEAD:
                yield _ended(*begun.popleft())
        while begun:
            yield _ended(*begun.popleft())
    finally:
        reader.stop.set()
        pool.shutdown(cancel_futures=True)


def _ended(window: Filled, reads: list[Future[None]]) -> Filled:
    for read in reads:
        read.result()
    return window


def reads_of(
    plan: KuduPlan,
    collection: str,
    rows: Places,
    to: Places,
    room: Pixels,
    reader: Reader,
    tokens: tuple[bytes, ...],
) -> Iterator[Callable[[], None]]:
    """What is to be done so that some rows of one collection, ascending, get their pixels."""
    if rows[-1] - rows[0] == len(rows) - 1:
        own = plan.index.slice(int(rows[0]), len(rows))
    else:
        own = plan.index.take(pa.array(rows))
    yield partial(
        _read,
        plan,
        collection,
        own["image_id"],
        own["shape"],
        to,
        room.images,
        reader,
        tokens,
        True,
    )
    if room.masks is None:
        return
    collections = own["mask_collection"].combine_chunks()
    for named in pc.unique(collections).to_pylist():
        of = np.flatnonzero(pc.equal(collections, named).to_numpy(zero_copy_only=False))
        some = own.take(pa.array(of))
        yield partial(
            _read,
            plan,
            named,
            some["mask_id"],
            some["mask_shape"],
            to[of],
            room.masks,
            reader,
            (),
            False,
        )


def _read(
    plan: KuduPlan,
    collection: str,
    ids: pa.ChunkedArray,
    codes: pa.ChunkedArray,
    to: Places,
    room: Any,
    reader: Reader,
    tokens: tuple[bytes, ...],
    ascending: bool,
) -> None:
    """Reads images into a room; ids that are not ascending may be there twice."""
    shape_of, sizes = codes.to_numpy(), plan.sizes
    known = ids.combine_chunks() if ascending else pc.unique(ids).sort()
    if ascending:
        shapes = [plan.shapes[code] for code in shape_of.tolist()] if isinstance(room, list) else ()
        reader.read(Wanted(collection, known, sizes[shape_of], tokens), sink_of(room, to, shapes))
        return
    # Masks come in the order of their images, and images may share one: each is read once.
    place = pc.index_in(ids.combine_chunks(), value_set=known).to_numpy()
    own = np.empty(len(known), shape_of.dtype)
    own[place] = shape_of
    held: list[Any] = [None] * len(known)
    shapes = [plan.shapes[code] for code in own.tolist()]
    reader.read(Wanted(collection, known, sizes[own]), sink_of(held, np.arange(len(known)), shapes))
    for row, one in zip(to.tolist(), place.tolist(), strict=True):
        room[row] = held[one]


def room_of(plan: KuduPlan, rows: int) -> Pixels:
    """Room for images of a plan, and for their masks."""
    masks = plan.target == "mask"
    return Pixels(
        room_for(rows, plan.image_shapes), room_for(rows, plan.mask_shapes) if masks else None
    )
