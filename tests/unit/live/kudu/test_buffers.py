"""Memory for pixels: aligned for TensorFlow, filled from what a scan returns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from labelmill.array_pool import ALIGNED
from labelmill.feed.rows.pixels import ShapeOf
from labelmill.live.kudu.buffers import allocate, sink_for


@pytest.mark.parametrize("side", [1, 3, 8, 28])
@pytest.mark.parametrize("first", [0, 1, 5, 127])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_memory_is_aligned_where_the_first_batch_begins(side: int, first: int, dtype: str) -> None:
    memory = allocate(200, [ShapeOf(side, side, 3, dtype)], first)
    assert memory.shape == (200, side, side, 3)
    assert memory.dtype == dtype
    assert memory[first:].ctypes.data % ALIGNED == 0
    assert memory.flags.carray


def test_images_of_one_shape_are_copied_to_their_positions() -> None:
    memory = allocate(3, [ShapeOf(1, 2, 1, "uint16")])
    memory[:] = 9
    sink = sink_for(memory, np.array([2, 0]), [])
    # A slice: the first image of the array must not be taken for the first of the slice.
    pixels = pa.array([b"xxxx", b"\1\0\2\0", b"\3\0\4\0"]).slice(1)
    sink.put(np.array([1, 0]), pixels)
    assert memory.reshape(3, 2).tolist() == [[1, 2], [9, 9], [3, 4]]
    sink.put(np.array([], np.int64), pixels.slice(2))
    assert memory.reshape(3, 2).tolist() == [[1, 2], [9, 9], [3, 4]]


def test_images_of_several_shapes_keep_their_shapes() -> None:
    shapes = [ShapeOf(2, 1, 1, "uint8"), ShapeOf(1, 1, 1, "uint16")]
    memory = allocate(2, shapes)
    assert memory == [None, None]
    sink_for(memory, np.array([1, 0]), shapes).put(np.array([1, 0]), pa.array([b"\1\2", b"\3\4"]))
    assert memory[0].shape == (1, 1, 1)
    assert memory[0].tolist() == [[[0x0201]]]
    assert memory[1].tolist() == [[[3]], [[4]]]
