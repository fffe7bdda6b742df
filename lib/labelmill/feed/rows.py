"""Frozen rows and the arrays in them."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.domain.image import from_bytes
from labelmill.errors import InputError

COLUMNS = pa.schema(
    [
        ("collection", pa.string()),
        ("image_id", pa.string()),
        ("class", pa.string()),
        ("split", pa.string()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("channels", pa.int32()),
        ("dtype", pa.string()),
        ("pixels", pa.binary()),
    ]
)
"""Columns of a frozen row; ``pixels`` is little-endian, C order, (height, width, channels)."""

Images = npt.NDArray[Any] | list[npt.NDArray[Any]]


def digest_rows(digest: hashlib._Hash, rows: Iterable[Sequence[object]]) -> None:
    """Adds rows, in order, to a digest.

    Each value adds its kind and length before its bytes, so no two lists of rows give the same
    bytes: strings are UTF-8, integers their decimal digits.
    """
    for row in rows:
        parts = []
        for value in row:
            data = value if isinstance(value, bytes) else str(value).encode()
            parts += [
                struct.pack("<cQ", b"b" if isinstance(value, bytes) else b"s", len(data)),
                data,
            ]
        digest.update(b"".join(parts))


def images_of(batch: pa.RecordBatch) -> Images:
    """Images of a batch with ``pixels``, ``height``, ``width``, ``channels``, ``dtype``.

    Returns:
        ``(N, H, W, C)`` when all agree, else a list of ``(H, W, C)``; views of the batch's memory.

    Raises:
        InputError: Pixels that do not fit their shape.
    """
    shapes = list(
        zip(
            *(batch.column(c).to_pylist() for c in ("height", "width", "channels", "dtype")),
            strict=True,
        )
    )
    pixels = batch.column("pixels")
    if len(set(shapes)) == 1 and not pixels.null_count:
        height, width, channels, dtype = shapes[0]
        kind = np.dtype(dtype).newbyteorder("<")
        offsets = np.frombuffer(pixels.buffers()[1], np.int32)[pixels.offset :][: len(pixels) + 1]
        each = height * width * channels * kind.itemsize
        if (np.diff(offsets) == each).all():
            data = pixels.buffers()[2]
            flat = np.frombuffer(data, kind, len(pixels) * each // kind.itemsize, int(offsets[0]))
            return flat.reshape(len(pixels), height, width, channels)
    return [image_of(data, *shape) for data, shape in zip(pixels, shapes, strict=True)]


def image_of(
    pixels: pa.Scalar, height: int, width: int, channels: int, dtype: str
) -> npt.NDArray[Any]:
    """One image, ``(H, W, C)``.

    Raises:
        InputError: Pixels that do not fit their shape.
    """
    data = pixels.as_buffer()
    if data is None:
        raise InputError("an image without pixels: its chunks are missing; ingest it again")
    return from_bytes(memoryview(data), (height, width, channels), dtype)


def together(parts: list[Any]) -> Images:
    """Arrays of batches as one array where all shapes and dtypes agree, else a list of images."""
    if parts and all(
        isinstance(p, np.ndarray)
        and p.shape[1:] == parts[0].shape[1:]
        and p.dtype == parts[0].dtype
        for p in parts
    ):
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    return [image for part in parts for image in part]
