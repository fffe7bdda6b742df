"""Where pixels go as they come out of Kudu."""

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
from labelmill.feed.rows.pixels import ShapeOf
from labelmill.live.kudu.reader import Places, Sink


def room_for(rows: int, shapes: Sequence[ShapeOf], first: int = 0) -> Any:
    """Room for images that have these shapes.

    Args:
        rows: How many images.
        shapes: All that they have.
        first: The one that begins at a multiple of `ALIGNED` bytes.

    Returns:
        ``(N, H, W, C)`` not yet filled where there is one shape, else a list of N places.
    """
    if len(shapes) != 1:
        return [None] * rows
    height, width, channels, dtype = shapes[0]
    kind = np.dtype(dtype).newbyteorder("<")
    before = -first % (ALIGNED // math.gcd(ALIGNED, height * width * channels * kind.itemsize))
    return empty((before + rows, height, width, channels), kind)[before:]


def sink_of(room: Any, to: Places, shapes: Sequence[ShapeOf]) -> Sink:
    """The sink into a room.

    Args:
        room: As `room_for` gives it.
        to: The place in it of each image that is read.
        shapes: Of each image that is read.
    """
    return Stacked(room, to) if isinstance(room, np.ndarray) else Loose(room, to, shapes)


@dataclass(frozen=True)
class Stacked:
    """Images of one shape, copied once: from what the server sent to where they are used.

    Args:
        room: ``(N, H, W, C)``.
        to: See `sink_of`.
    """

    room: npt.NDArray[Any]
    to: Places

    def put(self, places: Places, pixels: pa.Array) -> None:
        """See `Sink`."""
        if not len(places):
            return
        # An image as one thing without parts: numpy copies each in one go.
        flat = self.room.reshape(len(self.room), -1)
        whole = flat.view(np.dtype((np.void, flat.shape[1] * flat.itemsize))).reshape(-1)
        start = int(np.frombuffer(pixels.buffers()[1], np.int32)[pixels.offset])
        whole[self.to[places]] = np.frombuffer(pixels.buffers()[2], whole.dtype, len(places), start)


@dataclass(frozen=True)
class Loose:
    """Images of several shapes, views of what the server sent.

    Args:
        room: A place for each.
        to: See `sink_of`.
        shapes: See `sink_of`.
    """

    room: list[Any]
    to: Places
    shapes: Sequence[ShapeOf]

    def put(self, places: Places, pixels: pa.Array) -> None:
        """See `Sink`."""
        for place, value in zip(places.tolist(), pixels, strict=True):
            height, width, channels, dtype = self.shapes[place]
            data = memoryview(value.as_buffer())
            self.room[self.to[place]] = from_bytes(data, (height, width, channels), dtype)
