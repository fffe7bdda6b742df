"""Reading one item ahead of its use."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from labelmill.read_ahead import read_ahead


def test_items_come_in_order_and_the_next_is_read_while_one_is_used() -> None:
    read = [threading.Event() for _ in range(5)]

    def items() -> Iterator[int]:
        for number, event in enumerate(read):
            event.set()
            yield number

    found = []
    for item in read_ahead(items()):
        if item < 4:
            assert read[item + 1].wait(10), "the next one is read before this one is done with"
        found.append(item)
    assert found == [0, 1, 2, 3, 4]


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("cut off")

    found = []
    with pytest.raises(ValueError, match="cut off"):
        found.extend(read_ahead(items()))
    assert found == [1, 2]


def test_whoever_stops_early_ends_the_thread() -> None:
    read = []

    def items() -> Iterator[int]:
        for number in range(1_000_000):
            read.append(number)
            yield number

    before = set(threading.enumerate())
    ahead = read_ahead(items())
    assert next(ahead) == 0
    [thread] = set(threading.enumerate()) - before
    ahead.close()
    thread.join(10)
    assert not thread.is_alive()
    assert len(read) < 10
