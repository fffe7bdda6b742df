"""Runs on executors: decoded images as rows of the catalogue.

Rows are plain tuples, turned into columns at the end: a dict for every image would cost as much time as
decoding a small one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from labelmill.domain.codecs import FilteredRows, Pixels, unfilter_all
from labelmill.domain.images.image import Statistics, statistics_of, thumbnail
from labelmill.store.schema.tables import CELL_BYTES, CHUNK_BYTES

THUMBNAIL_SIDE = 32
"""Images of at most this width and height are their own thumbnail: the column stays null."""

# By bytes of a sample; numpy would build the name again at each call.
_DTYPES = {1: "uint8", 2: "uint16"}

_IMAGE_TYPES: dict[str, pa.DataType] = {
    "image_id": pa.string(),
    "uri": pa.string(),
    "split": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "channels": pa.int32(),
    "dtype": pa.string(),
    "thumbnail": pa.binary(),
    "bytes": pa.int64(),
    "attributes": pa.string(),
    "source_time": pa.timestamp("us", "UTC"),
}
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
    """Rows of ``images``, ``image_chunks``, ``annotations`` and ``quarantine``, until they are written.

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
        pixels: Pixels | FilteredRows,
        uri: str,
        size: int,
        split: str | None = None,
        attributes: str | None = None,
        source_time: int | None = None,
    ) -> None:
        """Adds an image.

        Args:
            image_id: Its id.
            pixels: ``(H, W, C)``, uint8 or uint16; rows wait for others like them.
            uri: Where it comes from.
            size: Bytes of the file.
            split: train, validation or test.
            attributes: JSON object.
            source_time: When it was made, microseconds since 1970 UTC.
        """
        height, width, channels = pixels.shape
        preview = None
        if max(height, width) > THUMBNAIL_SIDE:
            (whole,) = unfilter_all([pixels])
            preview, pixels = thumbnail(whole, THUMBNAIL_SIDE), whole
        self._bytes += pixels.nbytes
        self._pixels.append(pixels)
        row = (
            image_id,
            uri,
            split,
            width,
            height,
            channels,
            _DTYPES[pixels.dtype.itemsize],
            preview,
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
            uri: Where the file is.
            reason: Short stable code.
            message: What was found and what was expected.
            image_id: SHA-256 of its bytes, when they could be read.
            data: What could be read of it; the first 64 bytes are kept.
            size: Bytes.
        """
        self._bad.append((uri, reason, message[:1000], image_id, data[:64] or None, size))

    def take(self) -> dict[str, pa.Table]:
        """The rows by table name; the builder is empty afterwards.

        ``image_chunks`` and the others are in the order in which they must be written.
        """
        pixels = unfilter_all(self._pixels)
        tables = {
            "image_chunks": self._chunk_table(pixels),
            "images": self._image_table(pixels),
            "annotations": self._table(self._annotations, _ANNOTATION_TYPES, "annotated_at"),
            "quarantine": self._table(self._bad, _QUARANTINE_TYPES, "quarantined_at"),
        }
        self._clear()
        return tables

    def _clear(self) -> None:
        self._bytes = 0
        self._pixels: list[Pixels | FilteredRows] = []
        self._images: list[tuple[Any, ...]] = []
        self._annotations: list[tuple[Any, ...]] = []
        self._bad: list[tuple[Any, ...]] = []

    def _image_table(self, pictures: list[Pixels]) -> pa.Table:
        table = self._table(self._images, _IMAGE_TYPES, "ingested_at")
        whole = [pixels.nbytes <= CELL_BYTES for pixels in pictures]
        sizes = [p.nbytes if fits else 0 for p, fits in zip(pictures, whole, strict=True)]
        small = [p for p, fits in zip(pictures, whole, strict=True) if fits]
        table = table.append_column("pixels", _cells(small, sizes, whole))
        counted = statistics_of(pictures).astype(np.float32)
        for position, name in enumerate(Statistics._fields):
            table = table.append_column(name, pa.array(counted[:, position]))
        return table

    def _chunk_table(self, pictures: list[Pixels]) -> pa.Table:
        ids: list[str] = []
        numbers: list[int] = []
        sizes: list[int] = []
        large = []
        for row, pixels in zip(self._images, pictures, strict=True):
            if pixels.nbytes > CELL_BYTES:
                large.append(pixels)
                full, rest = divmod(pixels.nbytes, CHUNK_BYTES)
                count = full + bool(rest)
                ids += [row[0]] * count
                numbers += range(count)
                sizes += [CHUNK_BYTES] * full + [rest] * bool(rest)
        return pa.table(
            {
                "image_id": pa.array(ids, pa.string()),
                "chunk": pa.array(numbers, pa.int32()),
                "data": _cells(large, sizes),
                "collection": self._collections(len(ids)),
            }
        )

    def _collections(self, rows: int) -> pa.Array:
        return pa.repeat(pa.scalar(self._collection, pa.string()), rows)

    def _table(
        self, rows: list[tuple[Any, ...]], types: dict[str, pa.DataType], moment: str = ""
    ) -> pa.Table:
        columns = zip(*rows, strict=True) if rows else ((),) * len(types)
        arrays = {
            name: pa.array(column, kind)
            for (name, kind), column in zip(types.items(), columns, strict=True)
        }
        arrays["collection"] = self._collections(len(rows))
        if moment:
            now = pa.scalar(self._now, pa.timestamp("us", "UTC"))
            arrays[moment] = pa.repeat(now, len(rows))
        return pa.table(arrays)


def _cells(arrays: list[Pixels], sizes: list[int], there: list[bool] | None = None) -> pa.Array:
    """All arrays' bytes, little-endian, cut into cells of these sizes: copied once."""
    data = b"".join(_little_endian(pixels) for pixels in arrays)  # type: ignore[misc]
    offsets = np.zeros(len(sizes) + 1, np.int32)
    np.cumsum(sizes, out=offsets[1:])
    valid = None
    if there is not None and not all(there):
        valid = pa.py_buffer(np.packbits(there, bitorder="little"))
    buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), len(sizes), buffers)


def _little_endian(pixels: Pixels) -> Pixels:
    return pixels if pixels.itemsize == 1 else pixels.astype("<u2", copy=False)
