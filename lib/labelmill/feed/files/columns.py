"""The columns of frozen rows, and the arrays in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.domain.images.image import from_bytes
from labelmill.errors import InputError

Kind = Literal["images", "records"]
Target = Literal["class", "classes", "mask", "none"]

SHAPE = ("height", "width", "channels", "dtype")
"""Columns that say how ``pixels`` are read: little-endian, C order, (height, width, channels)."""

_PIXELS = [
    ("height", pa.int32()),
    ("width", pa.int32()),
    ("channels", pa.int32()),
    ("dtype", pa.string()),
    ("pixels", pa.binary()),
]
_TARGETS: dict[Target, list[tuple[str, pa.DataType]]] = {
    "class": [("class", pa.string())],
    "classes": [("classes", pa.list_(pa.string()))],
    "mask": [
        ("mask_id", pa.string()),
        ("mask_channels", pa.int32()),
        ("mask_dtype", pa.string()),
        ("mask", pa.binary()),
    ],
    "none": [],
}

Images = npt.NDArray[Any] | list[npt.NDArray[Any]]


class About(NamedTuple):
    """Metadata of a shard: kind of rows, kind of target, classes in index order."""

    kind: Kind
    target: Target
    classes: list[str]


def key_of(kind: Kind) -> str:
    """The column that identifies a row within its collection.

    Example:
        >>> key_of("images")
        'image_id'
    """
    return "image_id" if kind == "images" else "record_id"


def columns_of(kind: Kind, target: Target, features: pa.Schema | None = None) -> pa.Schema:
    """Columns of a frozen row, in order, without metadata.

    Args:
        kind: ``images``: pixels with their shape; ``records``: features.
        target: ``class``: one class. ``classes``: a sorted list of classes. ``mask``: an image of the
            same height and width. ``none``: no target.
        features: The other columns of records, in order, in the types of `feature_type`.

    Raises:
        InputError: Records with masks; images with features.

    Example:
        >>> columns_of("records", "class", pa.schema([("age", pa.int32())])).names
        ['collection', 'record_id', 'split', 'class', 'age']
    """
    if kind == "records" and target == "mask":
        raise InputError("records have no masks; expected class, classes or no target")
    if kind == "images" and features is not None and len(features):
        raise InputError(f"images with features {features.names}; features belong to records")
    key = [("collection", pa.string()), (key_of(kind), pa.string()), ("split", pa.string())]
    pixels = _PIXELS if kind == "images" else []
    return pa.schema([*key, *pixels, *_TARGETS[target], *(features or ())])


def feature_type(name: str, type: pa.DataType) -> pa.DataType:
    """The type in which a feature is frozen: its own, but times as microseconds UTC.

    Raises:
        InputError: A type that features cannot have.

    Example:
        >>> feature_type("age", pa.int16())
        DataType(int16)
    """
    if pa.types.is_timestamp(type):
        return pa.timestamp("us", tz="UTC")
    if pa.types.is_signed_integer(type) or type in (
        pa.string(), pa.bool_(), pa.float32(), pa.float64(), pa.binary(),
    ):  # fmt: skip
        return type
    raise InputError(
        f"the column {name!r} is {type}; a feature is string, boolean, an integer, float, double, "
        f"timestamp or binary: cast it in the query, for example cast({name} as double)"
    )


def with_about(columns: pa.Schema, about: About) -> pa.Schema:
    """Columns with the metadata that a shard's file carries."""
    return columns.with_metadata({
        "labelmill.classes": json.dumps(about.classes),
        "labelmill.kind": about.kind,
        "labelmill.target": about.target,
    })  # fmt: skip


def about_of(schema: pa.Schema) -> About:
    """Reads the metadata of a shard.

    Raises:
        InputError: Metadata are missing: it is not a shard of this format.
    """
    metadata = schema.metadata or {}
    try:
        kind, target = (metadata[f"labelmill.{n}".encode()].decode() for n in ("kind", "target"))
        return About(kind, target, json.loads(metadata[b"labelmill.classes"]))
    except KeyError as error:
        raise InputError(
            f"not a shard of a training set: its metadata has no {error.args[0].decode()}; freeze the "
            "slice again"
        ) from None


def images_of(batch: pa.RecordBatch) -> Images:
    """Images of a batch with ``pixels``, ``height``, ``width``, ``channels``, ``dtype``.

    Returns:
        ``(N, H, W, C)`` if all shapes and dtypes agree, else a list of ``(H, W, C)``; views of the
        batch's memory.

    Raises:
        InputError: Pixels that do not fit their shape.
    """
    return _arrays(batch, "pixels", SHAPE)


def masks_of(batch: pa.RecordBatch) -> Images:
    """Masks of a batch of rows whose target is ``mask``; like `images_of`."""
    return _arrays(batch, "mask", ("height", "width", "mask_channels", "mask_dtype"))


def _arrays(batch: pa.RecordBatch, data: str, shape: Sequence[str]) -> Images:
    # By distinct values: the rows of a batch mostly share one shape, and no value per row is made.
    pixels = batch.column(data)
    if len(batch) and not pixels.null_count:
        one = [batch.column(name).unique() for name in shape]
        if all(len(values) == 1 for values in one):
            height, width, channels, dtype = (values[0].as_py() for values in one)
            kind = np.dtype(dtype).newbyteorder("<")
            offsets = np.frombuffer(pixels.buffers()[1], np.int32)[pixels.offset :]
            offsets = offsets[: len(pixels) + 1]
            each = height * width * channels * kind.itemsize
            if (np.diff(offsets) == each).all():
                count = len(pixels) * each // kind.itemsize
                flat = np.frombuffer(pixels.buffers()[2], kind, count, int(offsets[0]))
                return flat.reshape(len(pixels), height, width, channels)
    shapes = zip(*(batch.column(name).to_pylist() for name in shape), strict=True)
    return [image_of(value, *each) for value, each in zip(pixels, shapes, strict=True)]


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


def merge_images(parts: list[Any]) -> Images:
    """Merges arrays of batches into one if all shapes and dtypes agree, else into a list of images."""
    if parts and all(
        isinstance(p, np.ndarray)
        and p.shape[1:] == parts[0].shape[1:]
        and p.dtype == parts[0].dtype
        for p in parts
    ):
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    return [image for part in parts for image in part]
