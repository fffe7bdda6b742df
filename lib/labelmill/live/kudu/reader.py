"""Reads images from Kudu to their positions, through outages.

Pixels are put where their image's id belongs, so rows that were read before a scanner was lost can be
read again and are never delivered twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.errors import MissingRow
from labelmill.live.kudu.chunks import read_chunks
from labelmill.live.kudu.requests import ImageRequest, Sink, put_pixels
from labelmill.live.kudu.scans import SnapshotScans
from labelmill.store.reading.id_index import IdIndex
from labelmill.store.scans import Scan
from labelmill.store.schema.tables import IMAGES

PIXELS = ("image_id", "pixels")
"""Columns of a plan's tokens."""

BatchKey = tuple[bytes, int]
"""A batch of a scan: its token, and its number."""


@dataclass(frozen=True)
class PixelReader(SnapshotScans):
    """Reads images for one consumer; threads may share it.

    Args:
        client: See `SnapshotScans`.
        snapshot_ms: See `SnapshotScans`.
        patience_s: See `SnapshotScans`.
        stop: See `SnapshotScans`.
        positions: Batch → positions of its rows in the last scan. Kudu mostly returns rows in the same
            order again. Four bytes per image.
    """

    positions: dict[BatchKey, npt.NDArray[np.int32]] = field(default_factory=dict)

    def read(self, request: ImageRequest, sink: Sink) -> None:
        """Reads images to their positions in ``request.ids``.

        Raises:
            MissingRow: Some images are missing or incomplete.
            StoreUnreachable: Kudu did not answer for too long.
            StoreError: Kudu refused.
            Stopped: The consumer has gone.
        """
        for read_part in self.divide(request.tokens, lambda: (request, sink)):
            read_part()

    def divide(
        self, tokens: Sequence[bytes], open_request: Callable[[], tuple[ImageRequest, Sink]]
    ) -> list[Callable[[], None]]:
        """Divides a `read` into parts that threads can run: one per token.

        Args:
            tokens: Tokens of the request.
            open_request: Returns the request and its sink; called once, when the first rows arrive.

        Returns:
            Functions that read one part each, and raise what `read` raises.
        """
        shared = _SharedRead(self, open_request, max(1, len(tokens)))
        if not tokens:
            return [partial(shared.read_part, shared.scan_by_id, None)]
        return [
            partial(shared.read_part, partial(self.client.scan, IMAGES, PIXELS, token=token), token)
            for token in tokens
        ]


class _Progress(NamedTuple):
    """The request, known when its first rows arrive, and which of its images were found."""

    request: ImageRequest
    sink: Sink
    ids: IdIndex
    seen: npt.NDArray[np.bool_]
    large: npt.NDArray[np.bool_]


class _SharedRead:
    """One request that is read in parts.

    Args:
        reader: Reads the images.
        open_request: See `PixelReader.divide`.
        parts: Number of parts.
    """

    def __init__(
        self,
        reader: PixelReader,
        open_request: Callable[[], tuple[ImageRequest, Sink]],
        parts: int,
    ) -> None:
        self._reader, self._open_request, self._left = reader, open_request, parts
        self._lock = threading.Lock()
        self._progress: _Progress | None = None

    def read_part(self, scan: Callable[[], Scan], token: bytes | None) -> None:
        """Reads what one scan returns; the part that ends last also completes the request."""
        batches: list[int] = []

        def take(batch: pa.RecordBatch) -> None:
            self._take(batch, None if token is None else (token, len(batches)))
            batches.append(len(batch))

        self._reader.run(scan, take, again=batches.clear)
        with self._lock:
            self._left -= 1
            last = not self._left
        if last:
            self._complete()

    def scan_by_id(self) -> Scan:
        """A scan by ids, where there is no token."""
        request = self._opened().request
        return self._reader.by_id(IMAGES, PIXELS, request.collection, request.ids)

    def _opened(self) -> _Progress:
        with self._lock:
            if self._progress is None:
                request, sink = self._open_request()
                count = len(request.ids)
                seen, large = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
                self._progress = _Progress(request, sink, IdIndex(request.ids), seen, large)
            return self._progress

    def _take(self, batch: pa.RecordBatch, key: BatchKey | None) -> None:
        request, sink, ids, seen, large = self._opened()
        known, pixels = self._reader.positions, batch.column(1)
        guess = None if key is None else known.get(key)
        positions = ids.positions(batch.column(0), guess)
        keep = positions >= 0
        if key is not None and positions is not guess and keep.all():
            known[key] = positions.astype(np.int32)
        if pixels.null_count:
            there = pixels.is_valid().to_numpy(zero_copy_only=False)
            large[positions[keep & ~there]] = True
            keep &= there
        if not keep.all():
            positions, pixels = positions[keep], pixels.filter(pa.array(keep))
        put_pixels(request, sink, positions, pixels)
        seen[positions] = True

    def _complete(self) -> None:
        """Reads what is stored in chunks, and requires that no image is missing."""
        request, sink, _, seen, large = self._opened()
        if large.any():
            seen |= read_chunks(self._reader, request, large, sink)
        if not seen.all():
            missing = np.flatnonzero(~seen).tolist()
            shown = ", ".join(
                f"{request.collection}/{str(request.ids[i])[:12]}" for i in missing[:3]
            )
            raise MissingRow(
                f"{len(missing):,} images of the plan are not in Kudu at snapshot "
                f"{self._reader.snapshot_ms}: {shown}; is it older than Kudu's history (7 days unless "
                "configured otherwise)? Plan the query again"
            )
