"""Images read in parts that threads share out; a client that answers from memory, no Kudu."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.array_pool import ALIGNED
from labelmill.errors import MissingRow, ScannerExpired
from labelmill.feed.rows.pixels import ShapeOf
from labelmill.live.kudu.buffers import room_for, sink_of
from labelmill.live.kudu.reader import Reader, Wanted
from labelmill.store.reading.scan_retry import Stopped
from labelmill.store.scans import Scan

IDS = [f"{n:016d}" for n in range(6)]
EACH = 4


class Answers:
    """A client that knows two tokens, of every other image each, a batch an image.

    Args:
        fail: Called before each batch.
        without: Images that Kudu no longer has.
    """

    def __init__(
        self, fail: Callable[[int], object] = lambda _: None, without: tuple[int, ...] = ()
    ) -> None:
        self._fail, self._without = fail, without

    def scan(self, *_: Any, token: bytes) -> Scan:
        rows = [n for n in range(len(IDS)) if n % 2 == token[0] and n not in self._without]

        def batches() -> Iterator[pa.RecordBatch]:
            for n in rows[::-1]:
                self._fail(n)
                yield pa.RecordBatch.from_arrays(
                    [pa.array([IDS[n]]), pa.array([bytes([n] * EACH)])], ["image_id", "pixels"]
                )

        return Scan(lambda: iter(()), batches, list)


def reader_of(client: Any) -> Reader:
    return Reader(client, 5, 10.0, threading.Event())


class Asked:
    """Says what is wanted, and counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0
        self.room = np.full((len(IDS), EACH), 99, np.uint8)

    def __call__(self) -> Any:
        self.times += 1
        wanted = Wanted("c", pa.array(IDS), np.full(len(IDS), EACH), (b"\0", b"\1"))
        return wanted, sink_of(self.room, np.arange(len(IDS))[::-1], [])


def test_parts_can_be_read_by_threads_in_any_order() -> None:
    both = threading.Barrier(2)

    def meet(n: int) -> None:
        if n in (4, 5):  # the first of each part: both are under way
            both.wait(10)

    asked = Asked()
    parts = reader_of(Answers(meet)).parts((b"\0", b"\1"), asked)
    assert asked.times == 0
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(part) for part in parts[::-1]]:
            done.result()
    assert asked.times == 1
    assert asked.room[:, 0].tolist() == [5, 4, 3, 2, 1, 0]


def test_what_is_missing_is_told_by_the_part_that_ends_last() -> None:
    asked = Asked()
    first, last = reader_of(Answers(without=(2, 4, 3))).parts((b"\0", b"\1"), asked)
    last()
    with pytest.raises(MissingRow, match=rf"3 images.*snapshot 5: c/{IDS[2][:12]}.*Plan the query"):
        first()


def test_a_part_that_lost_its_scanner_begins_again() -> None:
    lost = [2, 2]

    def lose(n: int) -> None:
        if n in lost:
            lost.remove(n)
            raise ScannerExpired("forgotten")

    asked = Asked()
    reader_of(Answers(lose)).read(*asked())
    assert not lost
    assert asked.room[:, 0].tolist() == [5, 4, 3, 2, 1, 0]


def test_nothing_is_read_on_when_nobody_waits() -> None:
    reader = reader_of(Answers())
    reader.stop.set()
    with pytest.raises(Stopped):
        reader.parts((b"\0", b"\1"), Asked())[0]()


def test_the_order_in_which_rows_came_is_a_guess_for_the_next_time() -> None:
    reader = reader_of(Answers())
    reader.read(*Asked()())
    told = {token: [reader.orders[token, n].tolist() for n in range(3)] for token in (b"\0", b"\1")}
    assert told == {b"\0": [[4], [2], [0]], b"\1": [[5], [3], [1]]}
    reader.orders[b"\0", 0] = np.array([3], np.int32)
    reader.orders[b"\0", 1] = np.array([3, 4], np.int32)
    asked = Asked()
    reader.read(*asked())
    assert asked.room[:, 0].tolist() == [5, 4, 3, 2, 1, 0]
    assert reader.orders[b"\0", 0].tolist() == [4]


@pytest.mark.parametrize("side", [1, 3, 8, 28])
@pytest.mark.parametrize("first", [0, 1, 5, 127])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_room_is_aligned_where_the_first_batch_begins(side: int, first: int, dtype: str) -> None:
    room = room_for(200, [ShapeOf(side, side, 3, dtype)], first)
    assert room.shape == (200, side, side, 3)
    assert room.dtype == dtype
    assert room[first:].ctypes.data % ALIGNED == 0
    assert room.flags.carray
