"""Memory is reused, but never while an array still refers to it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from labelmill import array_pool
from labelmill.array_pool import ALIGNED, empty

LARGE = (3, 1 << 20)


@pytest.fixture(autouse=True)
def nothing_ready() -> Iterator[None]:
    gc.collect()
    array_pool._ready.clear()
    yield
    array_pool._ready.clear()


@pytest.mark.parametrize("shape", [(1,), (3, 5), LARGE])
def test_arrays_begin_where_tensorflow_takes_them_over(shape: tuple[int, ...]) -> None:
    for dtype in (np.uint8, np.float32, ">u2"):
        made = empty(shape, dtype)
        assert (made.shape, made.dtype) == (shape, np.dtype(dtype))
        assert made.ctypes.data % ALIGNED == 0
        assert made.flags.carray
        made[...] = 7
        assert (made == 7).all()


def test_what_nobody_looks_at_any_more_is_used_again() -> None:
    first = empty(LARGE, np.uint8)
    place = first.ctypes.data
    view = first[1:].view(np.uint32)
    del first
    view[...] = 0x09090909
    other = empty(LARGE, np.uint8)
    assert other.ctypes.data != place  # a view looks at it
    other[...] = 1
    assert (view == 0x09090909).all()
    del view
    assert empty(LARGE, np.uint8).ctypes.data == place


def test_references_are_no_bytes() -> None:
    for shape in ((3,), LARGE):
        made = empty(shape, object)
        assert (made.shape, made.dtype, made.flat[-1]) == (shape, np.dtype(object), None)


def test_little_memory_is_kept() -> None:
    many = [empty((8 << 20,), np.uint8) for _ in range(20)]
    del many
    assert 0 < sum(raw.nbytes for raw in array_pool._ready) <= array_pool._KEPT
    array_pool._ready.clear()
    huge = empty((array_pool._KEPT + 1,), np.uint8)
    del huge
    assert not array_pool._ready


def test_threads_never_share_an_array() -> None:
    begin = threading.Barrier(4)

    def fill(number: int) -> bool:
        begin.wait()
        held = []
        for turn in range(200):
            made = empty((1 << 20,), np.uint8)
            made[...] = number
            held = [*held[-2:], made]
            if not all((one[:: 1 << 12] == number).all() for one in held) or turn < 0:
                return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(fill, range(4)))
