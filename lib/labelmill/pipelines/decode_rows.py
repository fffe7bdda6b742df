"""Runs on executors: files to decoded rows, as Arrow record batches.

One row per file, good or bad; a bad file never stops the others.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from labelmill.domain.codecs.png import decode_png
from labelmill.domain.image import image_id_of, statistics, thumbnail
from labelmill.domain.source import class_of, split_of_path
from labelmill.errors import ImageError, InputError
from labelmill.pipelines.sources import ARCHIVED_FILE_CAP, FILE_CAP, reader

CELL_BYTES = 60_000
"""Pixels above this go to ``image_chunks``: Kudu's cell limit is 65,536 bytes, the rest is room."""

CHUNK_BYTES = 8 << 10
"""The connector's session buffers 1,000 operations twice, whatever their size, and copies them to
send; a small executor has little room for that beside the pixels (decision 0030)."""

THUMBNAIL_SIDE = 32
"""Images of at most this width and height are their own thumbnail: the column stays null."""

BATCH_ROWS, BATCH_BYTES = 512, 16 << 20

FILES = pa.schema(
    [
        ("position", pa.int64()),
        ("uri", pa.string()),
        ("size", pa.int64()),
        ("data", pa.binary()),
    ]
)
"""Input: ``data`` is null where the worker reads ``root/uri``."""

DECODED = pa.schema(
    [
        ("position", pa.int64()),
        ("uri", pa.string()),
        ("bytes", pa.int64()),
        ("image_id", pa.string()),
        ("split", pa.string()),
        ("class", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("channels", pa.int32()),
        ("dtype", pa.string()),
        ("pixels", pa.binary()),
        ("chunks", pa.list_(pa.binary())),
        ("thumbnail", pa.binary()),
        ("mean", pa.float32()),
        ("std", pa.float32()),
        ("ink", pa.float32()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("head", pa.binary()),
    ]
)
"""Output. ``reason`` is null for a good file; then ``pixels`` or ``chunks`` is set."""

DECODED_SQL = (
    "position bigint, uri string, bytes bigint, image_id string, split string, class string, "
    "width int, height int, channels int, dtype string, pixels binary, chunks array<binary>, "
    "thumbnail binary, mean float, std float, ink float, reason string, message string, head binary"
)


class Decoder:
    """Picklable function for ``mapInArrow``.

    Args:
        root: Folder or URI below which the files lie; empty when batches carry their bytes.
        pixel_cap: Largest number of pixels of an image.
    """

    def __init__(self, root: str, pixel_cap: int) -> None:
        self.root, self.pixel_cap = root, pixel_cap

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Batches of `FILES` to batches of `DECODED`.

        Raises:
            InputError: The root is not visible from this worker.
        """
        read = _reader(self.root)
        cap = FILE_CAP if self.root else ARCHIVED_FILE_CAP
        rows = _Rows()
        for batch in batches:
            columns = [batch.column(name).to_pylist() for name in FILES.names]
            for position, uri, size, data in zip(*columns, strict=True):
                rows.add(_row(position, uri, size, data, read, self.pixel_cap, cap))
                if rows.is_full():
                    yield rows.take()
        if rows.count:
            yield rows.take()


class _Rows:
    """Rows as columns, until a batch is full."""

    def __init__(self) -> None:
        self.count = self.bytes = 0
        self.columns: dict[str, list[Any]] = {name: [] for name in DECODED.names}

    def add(self, row: dict[str, Any]) -> None:
        for name, column in self.columns.items():
            column.append(row.get(name))
        self.count += 1
        self.bytes += len(row.get("pixels") or b"") + CHUNK_BYTES * len(row.get("chunks") or ())

    def is_full(self) -> bool:
        return self.count >= BATCH_ROWS or self.bytes >= BATCH_BYTES

    def take(self) -> pa.RecordBatch:
        batch = pa.RecordBatch.from_arrays(
            [pa.array(self.columns[f.name], f.type) for f in DECODED], schema=DECODED
        )
        self.__init__()  # type: ignore[misc]
        return batch


def _row(
    position: int,
    uri: str,
    size: int,
    data: bytes | None,
    read: Callable[[str, int], bytes],
    pixel_cap: int,
    cap: int,
) -> dict[str, Any]:
    row: dict[str, Any] = {"position": position, "uri": uri, "bytes": size}
    try:
        if data is None:
            if size > cap:
                advice = "" if cap == FILE_CAP else "; unpack the archive for larger ones"
                raise ImageError(
                    "too_large", f"{size:,} bytes; files up to {cap:,} are read{advice}"
                )
            data = read(uri, -1)
            row["bytes"] = len(data)
        # The bytes' identity is worth having for a bad file too.
        row["image_id"] = image_id_of(data)
        _describe(row, decode_png(data, pixel_cap))
        row["split"], row["class"] = split_of_path(uri), class_of(uri)
    except ImageError as error:
        row |= {"reason": error.reason, "message": str(error)[:1000], "head": (data or b"")[:64]}
    except (OSError, MemoryError) as error:
        row |= {"reason": "unreadable", "message": f"cannot be read: {error}"[:1000]}
    return row


def _describe(row: dict[str, Any], pixels: np.ndarray[Any, Any]) -> None:
    height, width, channels = pixels.shape
    raw = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    row["height"], row["width"], row["channels"] = height, width, channels
    row["dtype"] = pixels.dtype.name
    if len(raw) <= CELL_BYTES:
        row["pixels"] = raw
    else:
        row["chunks"] = [raw[i : i + CHUNK_BYTES] for i in range(0, len(raw), CHUNK_BYTES)]
    if max(height, width) > THUMBNAIL_SIDE:
        row["thumbnail"] = thumbnail(pixels, THUMBNAIL_SIDE)
    row["mean"], row["std"], row["ink"] = statistics(pixels)


def _reader(root: str) -> Callable[[str, int], bytes]:
    if not root:
        return _nothing_to_read
    if "://" not in root and not os.path.isdir(root):
        raise InputError(
            f"the folder {root} is not visible on worker {socket.gethostname()}; ingest from a "
            "shared folder or a URI, or give an archive, which the driver reads"
        )
    return reader(root)


def _nothing_to_read(uri: str, size: int) -> bytes:
    raise OSError(f"{uri} came without its bytes")
