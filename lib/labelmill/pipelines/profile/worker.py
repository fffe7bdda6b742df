"""Runs on executors: images to descriptions of their looks, and sums over these."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.domain.codecs.png.codec import decode_png
from labelmill.domain.images.image import from_bytes
from labelmill.domain.profiles.perceptual_hash import OUTLINE_BYTES, SIDE, grey_thumbnails, looks
from labelmill.errors import ImageError, InputError

GREY_BYTES = SIDE * SIDE

KEPT = {
    "image_id": pa.string(),
    "uri": pa.string(),
    "split": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "channels": pa.int32(),
    "dtype": pa.string(),
    "mean": pa.float32(),
    "std": pa.float32(),
    "ink": pa.float32(),
    "bytes": pa.int64(),
    "attributes": pa.string(),
    "source_micros": pa.int64(),
}
"""Columns of ``images`` that are passed on; ``source_micros`` is ``source_time`` in µs since 1970 UTC."""

READ = (*KEPT, "pixels", "thumbnail")
"""Input: ``pixels`` are those of an image that is its own thumbnail, else null."""

DESCRIBED = pa.schema(
    [
        *KEPT.items(),
        ("hash", pa.int64()),
        ("outline", pa.binary()),
        ("grey", pa.binary()),
    ]
)
"""Output. ``grey`` is 32×32 bytes, `Looks` of it are ``hash`` (its bits as a signed number) and
``outline`` (int8); all three are null where the image cannot be read, hash and outline where it is
flat."""


SUMS = pa.schema([("class", pa.string()), ("images", pa.int64()), ("sums", pa.binary())])
"""Thumbnails added up: ``sums`` is 32×32 int64; class null: all images."""


ATTRIBUTES = pa.schema([("key", pa.string()), ("type", pa.string()), ("images", pa.int64())])

MOST_KEYS = 1000
"""Most keys of attributes that a task counts; with more of them, keys hold data."""

_TYPES = {str: "string", bool: "boolean", int: "number", float: "number", dict: "object"}


def describe_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of `READ` to batches of `DESCRIBED`; one row per image, good or bad."""
    for batch in batches:
        columns = [batch.column(n).to_pylist() for n in ("height", "width", "channels", "dtype")]
        shapes = zip(*columns, strict=True)
        images = [
            _open_image(pixels, thumbnail, *shape)
            for pixels, thumbnail, shape in zip(
                batch.column("pixels"), batch.column("thumbnail"), shapes, strict=True
            )
        ]
        good = [image for image in images if image is not None]
        greys = grey_thumbnails(good)
        found = looks(greys)
        there = np.array([image is not None for image in images], bool)
        position = np.cumsum(there) - 1
        shown = there.copy()
        shown[there] = found.outlines.any(axis=1)
        yield pa.RecordBatch.from_arrays(
            [
                *(batch.column(name) for name in KEPT),
                _signed(found.hashes, position, shown),
                _binary(found.outlines, position, shown),
                _binary(greys, position, there),
            ],
            schema=DESCRIBED,
        )


def sum_batches(
    batches: Iterator[pa.RecordBatch], classes: Collection[str]
) -> Iterator[pa.RecordBatch]:
    """Thumbnails of a task added up.

    Args:
        batches: Columns ``class`` and ``grey``.
        classes: Classes that get a sum of their own.

    Yields:
        One batch of `SUMS`.
    """
    sums: dict[str | None, npt.NDArray[np.int64]] = {}
    images: Counter[str | None] = Counter()
    for batch in batches:
        there = [i for i, grey in enumerate(batch.column("grey")) if grey.is_valid]
        batch = batch.take(pa.array(there, pa.int64()))
        if not there:
            continue
        greys = greys_of(batch.column("grey"))
        names = np.array(batch.column("class").to_pylist(), object)
        groups: list[tuple[str | None, Any]] = [(None, slice(None))]
        groups += [(c, names == c) for c in sorted({*names} - {None}) if c in classes]
        for name, which in groups:
            part = greys[which]
            images[name] += len(part)
            sums[name] = sums.get(name, np.int64(0)) + part.sum(axis=0, dtype=np.int64)
    yield _sums(sums, images)


def merge_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Sums of several tasks added up: batches of `SUMS` to one."""
    sums: dict[str | None, npt.NDArray[np.int64]] = {}
    images: Counter[str | None] = Counter()
    for batch in batches:
        for row in batch.to_pylist():
            images[row["class"]] += row["images"]
            part = np.frombuffer(row["sums"], np.int64)
            sums[row["class"]] = sums.get(row["class"], np.int64(0)) + part
    yield _sums(sums, images)


def attribute_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Column ``attributes`` (JSON objects or null) to one batch of `ATTRIBUTES`."""
    counts: Counter[tuple[str, str]] = Counter()
    for batch in batches:
        for text in batch.column("attributes").to_pylist():
            for key, kind in _types_of(text):
                if (key, kind) in counts or len(counts) < MOST_KEYS:
                    counts[key, kind] += 1
    rows = [{"key": key, "type": kind, "images": n} for (key, kind), n in counts.items()]
    yield pa.RecordBatch.from_pylist(rows, schema=ATTRIBUTES)


def greys_of(column: pa.Array) -> npt.NDArray[np.uint8]:
    """Thumbnails of a binary column without nulls, ``(N, 1024)``: a view of its memory."""
    return _bytes_of(column, GREY_BYTES).view(np.uint8)


def outlines_of(column: pa.Array) -> npt.NDArray[np.int8]:
    """Outlines of a binary column without nulls, ``(N, 144)``: a view of its memory."""
    return _bytes_of(column, OUTLINE_BYTES).view(np.int8)


def _bytes_of(column: pa.Array, width: int) -> npt.NDArray[np.uint8]:
    """All values of a binary column are ``width`` bytes long, one after the other."""
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset :]
    flat = np.frombuffer(column.buffers()[2], np.uint8, len(column) * width, int(offsets[0]))
    return flat.reshape(len(column), width)


def _open_image(
    pixels: pa.Scalar, thumbnail: pa.Scalar, height: int, width: int, channels: int, dtype: str
) -> npt.NDArray[Any] | None:
    try:
        if thumbnail.is_valid:
            return decode_png(thumbnail.as_py())
        if pixels.is_valid:
            data = memoryview(pixels.as_buffer())
            return from_bytes(data, (height, width, channels), dtype)
    except (ImageError, InputError):
        return None
    return None


def _signed(
    hashes: npt.NDArray[np.uint64], position: npt.NDArray[np.int64], there: npt.NDArray[np.bool_]
) -> pa.Array:
    signed = np.zeros(len(position), np.int64)
    signed[there] = hashes.view(np.int64)[position[there]]
    return pa.array(signed, pa.int64(), mask=~there)


def _binary(
    rows: npt.NDArray[Any], position: npt.NDArray[np.int64], there: npt.NDArray[np.bool_]
) -> pa.Array:
    values = [rows[p].tobytes() if t else None for p, t in zip(position, there, strict=True)]
    return pa.array(values, pa.binary())


def _sums(
    sums: dict[str | None, npt.NDArray[np.int64]], images: Counter[str | None]
) -> pa.RecordBatch:
    rows = [{"class": c, "images": images[c], "sums": s.tobytes()} for c, s in sums.items()]
    return pa.RecordBatch.from_pylist(rows, schema=SUMS)


def _types_of(text: str | None) -> list[tuple[str, str]]:
    if text is None:
        return []
    try:
        found = json.loads(text)
    except ValueError:
        return [("(not JSON)", "string")]
    if not isinstance(found, dict):
        return [("(not an object)", _type_of(found))]
    return [(key, _type_of(value)) for key, value in found.items()]


def _type_of(value: Any) -> str:
    return "null" if value is None else _TYPES.get(type(value), "list")
