"""Images read in parts by several threads, from a client that answers from memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.errors import MissingRow, ScannerExpired
from labelmill.live.kudu.buffers import sink_for
from labelmill.live.kudu.reader import PixelReader
from labelmill.live.kudu.requests import ImageRequest
from labelmill.store.reading.scan_retry import Stopped
from labelmill.store.scans import Scan

IDS = [f"{n:016d}" for n in range(6)]
EACH = 4


class Answers:
    """A client with two tokens, each for every other image, that returns one image per batch.

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


def reader_of(client: Any) -> PixelReader:
    return PixelReader(client, 5, 10.0, threading.Event())


class Opener:
    """Opens a request for all images, and counts how often it is called."""

    def __init__(self) -> None:
        self.times = 0
        self.memory = np.full((len(IDS), EACH), 99, np.uint8)

    def __call__(self) -> Any:
        self.times += 1
        request = ImageRequest("c", pa.array(IDS), np.full(len(IDS), EACH), (b"\0", b"\1"))
        return request, sink_for(self.memory, np.arange(len(IDS))[::-1], [])


def test_parts_can_be_read_by_threads_in_any_order() -> None:
    both = threading.Barrier(2)

    def meet(n: int) -> None:
        if n in (4, 5):  # the first of each part: both are under way
            both.wait(10)

    opener = Opener()
    parts = reader_of(Answers(meet)).divide((b"\0", b"\1"), opener)
    assert opener.times == 0
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(part) for part in parts[::-1]]:
            done.result()
    assert opener.times == 1
    assert opener.memory[:, 0].tolist() == [5, 4, 3, 2, 1, 0]


def test_the_part_that_ends_last_reports_what_is_missing() -> None:
    opener = Opener()
    first, last = reader_of(Answers(without=(2, 4, 3))).divide((b"\0", b"\1"), opener)
    last()
    with pytest.raises(MissingRow, match=rf"3 images.*snapshot 5: c/{IDS[2][:12]}.*Plan the query"):
        first()


def test_a_part_that_lost_its_scanner_begins_again() -> None:
    lost = [2, 2]

    def lose(n: int) -> None:
        if n in lost:
            lost.remove(n)
            raise ScannerExpired("forgotten")

    opener = Opener()
    reader_of(Answers(lose)).read(*opener())
    assert not lost
    assert opener.memory[:, 0].tolist() == [5, 4, 3, 2, 1, 0]


def test_nothing_more_is_read_when_the_consumer_has_gone() -> None:
    reader = reader_of(Answers())
    reader.stop.set()
    with pytest.raises(Stopped):
        reader.divide((b"\0", b"\1"), Opener())[0]()


def test_images_that_are_not_whole_are_refused() -> None:
    request = ImageRequest("c", pa.array(IDS), np.full(len(IDS), EACH + 1), (b"\0",))
    sink = sink_for(np.zeros((len(IDS), EACH + 1), np.uint8), np.arange(len(IDS)), [])
    with pytest.raises(MissingRow, match=rf"c/{IDS[4]} has 4 bytes of pixels.*says 5.*ingest it"):
        reader_of(Answers()).read(request, sink)


def test_the_positions_of_a_scan_are_a_guess_for_the_next_one() -> None:
    reader = reader_of(Answers())
    reader.read(*Opener()())
    found = {
        token: [reader.positions[token, n].tolist() for n in range(3)] for token in (b"\0", b"\1")
    }
    assert found == {b"\0": [[4], [2], [0]], b"\1": [[5], [3], [1]]}
    reader.positions[b"\0", 0] = np.array([3], np.int32)
    reader.positions[b"\0", 1] = np.array([3, 4], np.int32)
    opener = Opener()
    reader.read(*opener())
    assert opener.memory[:, 0].tolist() == [5, 4, 3, 2, 1, 0]
    assert reader.positions[b"\0", 0].tolist() == [4]
