"""Memory into which pixels are read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.array_pool import ALIGNED, empty
from labelmill.domain.images.image import from_bytes
from labelmill.feed.order.permutation import RowIndex
from labelmill.feed.rows.pixels import ShapeOf
from labelmill.live.kudu.requests import Sink


def allocate(rows: int, shapes: Sequence[ShapeOf], first: int = 0) -> Any:
    """Allocates memory for images of these shapes.

    Args:
        rows: Number of images.
        shapes: All shapes that occur.
        first: The image that starts at a multiple of `ALIGNED` bytes.

    Returns:
        An uninitialised array ``(N, H, W, C)`` if there is one shape, else a list of N times None.
    """
    if len(shapes) != 1:
        return [None] * rows
    height, width, channels, dtype = shapes[0]
    kind = np.dtype(dtype).newbyteorder("<")
    before = -first % (ALIGNED // math.gcd(ALIGNED, height * width * channels * kind.itemsize))
    return empty((before + rows, height, width, channels), kind)[before:]


def sink_for(memory: Any, targets: RowIndex, shapes: Sequence[ShapeOf]) -> Sink:
    """A sink that fills memory.

    Args:
        memory: Result of `allocate`.
        targets: Position in `memory` of each image of the request.
        shapes: Shape of each image of the request; not needed where `memory` is an array.
    """
    if isinstance(memory, np.ndarray):
        return DenseBuffer(memory, targets)
    return RaggedBuffer(memory, targets, shapes)


@dataclass(frozen=True)
class DenseBuffer:
    """Images of one shape, copied once: from the server's response to where they are used.

    Args:
        memory: ``(N, H, W, C)``.
        targets: See `sink_for`.
    """

    memory: npt.NDArray[Any]
    targets: RowIndex

    def put(self, positions: RowIndex, pixels: pa.Array) -> None:
        """See `Sink.put`."""
        if not len(positions):
            return
        # Each image as one opaque element: numpy then copies it in one go.
        flat = self.memory.reshape(len(self.memory), -1)
        images = flat.view(np.dtype((np.void, flat.shape[1] * flat.itemsize))).reshape(-1)
        start = int(np.frombuffer(pixels.buffers()[1], np.int32)[pixels.offset])
        data = np.frombuffer(pixels.buffers()[2], images.dtype, len(positions), start)
        images[self.targets[positions]] = data


@dataclass(frozen=True)
class RaggedBuffer:
    """Images of several shapes: views of the server's response.

    Args:
        memory: One element per image.
        targets: See `sink_for`.
        shapes: See `sink_for`.
    """

    memory: list[Any]
    targets: RowIndex
    shapes: Sequence[ShapeOf]

    def put(self, positions: RowIndex, pixels: pa.Array) -> None:
        """See `Sink.put`."""
        for position, value in zip(positions.tolist(), pixels, strict=True):
            height, width, channels, dtype = self.shapes[position]
            data = memoryview(value.as_buffer())
            image = from_bytes(data, (height, width, channels), dtype)
            self.memory[self.targets[position]] = image
