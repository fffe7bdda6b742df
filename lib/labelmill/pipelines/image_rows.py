"""Runs on executors: decoded images as rows of the catalogue.

Rows are plain tuples, turned into columns at the end: a dict for every image would cost as much time as
decoding a small one.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import numpy.typing as npt
import pyarrow as pa

from labelmill.domain.image import statistics, thumbnail

CELL_BYTES = 60_000
"""Pixels above this go to ``image_chunks``: Kudu's cell limit is 65,536 bytes, the rest is room."""

CHUNK_BYTES = 32 << 10
"""Bytes of a row of ``image_chunks``: the store's limits are kind to cells of this size."""

THUMBNAIL_SIDE = 32
"""Images of at most this width and height are their own thumbnail: the column stays null."""

# By bytes of a sample; numpy would make the name anew at each call.
_DTYPES = {1: "uint8", 2: "uint16"}

_IMAGE_TYPES: dict[str, pa.DataType] = {
    "image_id": pa.string(),
    "uri": pa.string(),
    "split": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "channels": pa.int32(),
    "dtype": pa.string(),
    "pixels": pa.binary(),
    "thumbnail": pa.binary(),
    "mean": pa.float32(),
    "std": pa.float32(),
    "ink": pa.float32(),
    "bytes": pa.int64(),
    "attributes": pa.string(),
    "source_time": pa.timestamp("us", "UTC"),
}
_CHUNK_TYPES = {"image_id": pa.string(), "chunk": pa.int32(), "data": pa.binary()}
_ANNOTATION_TYPES = {
    "image_id": pa.string(),
    "source": pa.string(),
    "class": pa.string(),
    "uri": pa.string(),
}
_QUARANTINE_TYPES = {
    "uri": pa.string(),
    "reason": pa.string(),
    "message": pa.string(),
    "sha256": pa.string(),
    "head": pa.binary(),
    "bytes": pa.int64(),
}


class ImageRows:
    """Rows of ``images``, ``image_chunks``, ``annotations`` and ``quarantine``, until they are taken.

    Args:
        collection: Name that all rows get.
        now: Time that all rows get, UTC.
    """

    def __init__(self, collection: str, now: datetime) -> None:
        self._collection, self._now = collection, now
        self._clear()

    @property
    def held_bytes(self) -> int:
        """Bytes of pixels held."""
        return self._bytes

    def image(
        self,
        image_id: str,
        pixels: npt.NDArray[Any],
        uri: str,
        size: int,
        split: str | None = None,
        attributes: str | None = None,
        source_time: int | None = None,
    ) -> None:
        """Adds an image.

        Args:
            image_id: Its id.
            pixels: ``(H, W, C)``, uint8 or uint16.
            uri: Where it comes from.
            size: Bytes of the file.
            split: train, validation or test.
            attributes: JSON object.
            source_time: When it was made, microseconds since 1970 UTC.
        """
        height, width, channels = pixels.shape
        raw = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
        self._bytes += len(raw)
        whole = len(raw) <= CELL_BYTES
        if not whole:
            for number, start in enumerate(range(0, len(raw), CHUNK_BYTES)):
                self._chunks.append((image_id, number, raw[start : start + CHUNK_BYTES]))
        small = max(height, width) <= THUMBNAIL_SIDE
        row = (
            image_id,
            uri,
            split,
            width,
            height,
            channels,
            _DTYPES[pixels.dtype.itemsize],
            raw if whole else None,
            None if small else thumbnail(pixels, THUMBNAIL_SIDE),
            *statistics(pixels),
            size,
            attributes,
            source_time,
        )
        self._images.append(row)

    def annotation(self, image_id: str, origin: str, label: str, uri: str) -> None:
        """Adds a class that the source gives."""
        self._annotations.append((image_id, f"{origin}/{label}", label, uri))

    def fault(
        self, uri: str, reason: str, message: str, image_id: str | None, data: bytes, size: int
    ) -> None:
        """Adds a bad file.

        Args:
            uri: Where it lies.
            reason: Short stable code.
            message: What was found and what was expected.
            image_id: SHA-256 of its bytes, when they could be read.
            data: What could be read of it; the first 64 bytes are kept.
            size: Bytes.
        """
        self._bad.append((uri, reason, message[:1000], image_id, data[:64] or None, size))

    def take(self) -> dict[str, pa.Table]:
        """The rows by name of their table; nothing is held afterwards.

        ``image_chunks`` and the others are in the order in which they must be written.
        """
        taken = {
            "image_chunks": self._table(self._chunks, _CHUNK_TYPES),
            "images": self._table(self._images, _IMAGE_TYPES, "ingested_at"),
            "annotations": self._table(self._annotations, _ANNOTATION_TYPES, "annotated_at"),
            "quarantine": self._table(self._bad, _QUARANTINE_TYPES, "quarantined_at"),
        }
        self._clear()
        return taken

    def _clear(self) -> None:
        self._bytes = 0
        self._chunks: list[tuple[Any, ...]] = []
        self._images: list[tuple[Any, ...]] = []
        self._annotations: list[tuple[Any, ...]] = []
        self._bad: list[tuple[Any, ...]] = []

    def _table(
        self, rows: list[tuple[Any, ...]], types: dict[str, pa.DataType], moment: str = ""
    ) -> pa.Table:
        columns = zip(*rows, strict=True) if rows else ((),) * len(types)
        arrays = {
            name: pa.array(column, kind)
            for (name, kind), column in zip(types.items(), columns, strict=True)
        }
        arrays["collection"] = pa.repeat(pa.scalar(self._collection, pa.string()), len(rows))
        if moment:
            now = pa.scalar(self._now, pa.timestamp("us", "UTC"))
            arrays[moment] = pa.repeat(now, len(rows))
        return pa.table(arrays)


def attributes_of(*texts: str | None) -> str | None:
    """JSON objects as one; a later one's keys win; None when there is none."""
    given = [text for text in texts if text]
    if len(given) < 2:
        return given[0] if given else None
    merged: dict[str, Any] = {}
    for text in given:
        merged |= json.loads(text)
    return json.dumps(merged, sort_keys=True, ensure_ascii=False)
