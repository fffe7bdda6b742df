"""What is read from Kudu, and where its pixels go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.errors import MissingRow
from labelmill.feed.order.permutation import RowIndex


@dataclass(frozen=True)
class ImageRequest:
    """Images of one collection.

    Attributes:
        collection: Their collection.
        ids: Ascending, without duplicates.
        sizes: Bytes of each image's array, ``(N,)``.
        tokens: Scan tokens whose rows include the images; empty: they are read by id.
    """

    collection: str
    ids: pa.Array
    sizes: npt.NDArray[np.int64]
    tokens: tuple[bytes, ...] = ()


class Sink(Protocol):
    """Where pixels go."""

    def put(self, positions: RowIndex, pixels: pa.Array) -> None:
        """Stores the pixels of some images; the same images may come again.

        Args:
            positions: Positions of the images in ``ids`` of their request, ``(n,)``.
            pixels: Bytes of their arrays, as long as their shapes say.
        """
        ...


def put_pixels(request: ImageRequest, sink: Sink, positions: RowIndex, pixels: pa.Array) -> None:
    """Puts pixels into a sink, after a check that they are complete.

    Args:
        request: What is read.
        sink: Receives the pixels.
        positions: Positions of the images in ``request.ids``.
        pixels: Bytes of their arrays.

    Raises:
        MissingRow: An image has more or fewer bytes than its shape says.
    """
    ends = np.frombuffer(pixels.buffers()[1], np.int32)[pixels.offset :][: len(pixels) + 1]
    sizes = np.diff(ends)
    wrong = np.flatnonzero(sizes != request.sizes[positions])
    if len(wrong):
        position = int(positions[wrong[0]])
        raise MissingRow(
            f"image {request.collection}/{request.ids[position]} has {sizes[wrong[0]]:,} bytes of "
            f"pixels, its shape says {request.sizes[position]:,}; chunks are missing: ingest it again"
        )
    sink.put(positions, pixels)
