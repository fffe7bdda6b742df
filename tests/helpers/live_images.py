"""Images written to Kudu as rows, for tests that read them straight from there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np

from labelmill.store.client import RowClient
from labelmill.store.schema.tables import ANNOTATIONS, IMAGE_CHUNKS, IMAGES

CELL, CHUNK = 60_000, 32 << 10

Arrays = dict[str, np.ndarray]
"""image_id → pixels ``(H, W, C)``."""


def noise_images(
    count: int, shape: tuple[int, int, int] = (4, 4, 1), seed: int = 0, dtype: str = "uint8"
) -> Arrays:
    """Images of noise, all different."""
    random = np.random.default_rng(seed)
    found = (
        random.integers(0, np.iinfo(dtype).max, shape, np.dtype(dtype), endpoint=True)
        for _ in range(count)
    )
    return {hashlib.sha256(pixels.tobytes()).hexdigest(): pixels for pixels in found}


def put(
    client: RowClient, images: Arrays, collection: str = "c", classes: str = "ab"
) -> dict[str, str]:
    """Writes images, each with one of `classes` in turn; images larger than a cell in chunks.

    Returns:
        image_id → class.
    """
    for table in (IMAGES, IMAGE_CHUNKS, ANNOTATIONS):
        client.ensure(table)
    now = datetime.now(timezone.utc)
    truth = {i: classes[n % len(classes)] for n, i in enumerate(sorted(images))}
    rows, chunks = [], []
    for image_id, pixels in images.items():
        data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
        fits = len(data) <= CELL
        height, width, channels = pixels.shape
        rows.append(
            {
                "collection": collection, "image_id": image_id, "uri": image_id[:6],
                "height": height, "width": width, "channels": channels, "dtype": pixels.dtype.name,
                "pixels": data if fits else None, "mean": 0.0, "std": 0.0, "ink": 0.0,
                "bytes": len(data), "ingested_at": now,
            }
        )  # fmt: skip
        if not fits:
            for number, start in enumerate(range(0, len(data), CHUNK)):
                key = {"collection": collection, "image_id": image_id, "chunk": number}
                chunks.append({**key, "data": data[start : start + CHUNK]})
    client.write(IMAGE_CHUNKS, chunks)
    client.write(IMAGES, rows)
    client.write(ANNOTATIONS, [
        {"collection": collection, "image_id": i, "source": f"folder/{c}", "class": c, "annotated_at": now}
        for i, c in truth.items()
    ])  # fmt: skip
    return truth


def query(collection: str = "c") -> str:
    """A query for all images of a collection, with their class."""
    return (
        f"select t.collection, t.image_id, t.class from truth t where t.collection = '{collection}'"
    )


def rows_of(
    batches: Sequence[tuple[np.ndarray, np.ndarray]], classes: Sequence[str]
) -> list[tuple[str, str]]:
    """The image_id, found by its pixels, and class of each row of some batches, in order."""
    return [
        (hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest(), classes[int(label)])
        for images, labels in batches
        for image, label in zip(images, labels, strict=True)
    ]
