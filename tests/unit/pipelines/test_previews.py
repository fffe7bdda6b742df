"""Small pictures from parts of pixels, as executors draw them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from labelmill.domain.codecs.png.codec import decode_png
from labelmill.pipelines.previews import PICTURES, SIDE, picture_batches

RANDOM = np.random.default_rng(0)
SMALL = RANDOM.integers(0, 256, (20, 30, 3), np.uint8)
LARGE = RANDOM.integers(0, 256, (300, 100, 1), np.uint8)
DEEP = RANDOM.integers(0, 65536, (9, 7, 1), np.uint16)


def parts(
    image_id: str, pixels: np.ndarray[Any, Any], chunk_bytes: int = 10_000
) -> list[dict[str, Any]]:
    height, width, channels = pixels.shape
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    return [
        {
            "image_id": image_id,
            "height": height,
            "width": width,
            "channels": channels,
            "dtype": pixels.dtype.name,
            "chunk": number,
            "data": data[start : start + chunk_bytes],
        }
        for number, start in enumerate(range(0, len(data), chunk_bytes))
    ]


def drawn(rows: list[dict[str, Any]], cut: int) -> dict[str, bytes]:
    """Pictures of rows that come in batches of `cut`."""
    batches: Iterator[pa.RecordBatch] = (
        pa.RecordBatch.from_pylist(rows[start : start + cut]) for start in range(0, len(rows), cut)
    )
    found = list(picture_batches(batches))
    assert all(batch.schema == PICTURES for batch in found)
    return {row["image_id"]: row["png"] for batch in found for row in batch.to_pylist()}


def test_small_images_are_themselves_and_large_ones_shrink() -> None:
    rows = [*parts("a", SMALL, 500), *parts("b", LARGE), *parts("c", DEEP)]
    whole = drawn(rows, len(rows))
    np.testing.assert_array_equal(decode_png(whole["a"]), SMALL)
    np.testing.assert_array_equal(decode_png(whole["c"]), DEEP)
    assert decode_png(whole["b"]).shape == (SIDE, SIDE // 3, 1)
    # Where batches end does not matter: an image may begin in one and end in another.
    assert drawn(rows, 1) == drawn(rows, 3) == whole


def test_an_image_whose_chunks_are_missing_has_no_picture() -> None:
    rows = [*parts("a", LARGE)[:-1], *parts("b", SMALL)]
    assert set(drawn(rows, 2)) == {"b"}
