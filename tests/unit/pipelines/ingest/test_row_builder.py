"""Decoded images as rows: what waited, what did not, and what goes to chunks."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import pytest

from labelmill.domain.codecs import FilteredRows, decode_image, read_image
from labelmill.domain.codecs.png.codec import encode_png
from labelmill.domain.images.image import statistics, thumbnail
from labelmill.pipelines.ingest.row_builder import ImageRows
from labelmill.store.schema.tables import CHUNK_BYTES
from labelmill.testing.png.files import noise

GREY, RGB, RGBA = 0, 2, 6


def test_rows_are_those_of_the_decoded_images_in_their_order() -> None:
    chance = np.random.default_rng(3)
    files = [noise(28, 28, 8, GREY, seed) for seed in range(5)]
    files += [
        noise(33, 20, 8, RGB),
        noise(20, 90, 8, GREY),
        noise(5, 4, 8, RGBA),
        noise(7, 7, 16, GREY),
    ]
    files += [
        encode_png(chance.integers(0, 256, (200, 150, 3), np.uint8)),
        noise(28, 28, 8, GREY, 9),
    ]
    rows = ImageRows("c", datetime(2026, 1, 2, tzinfo=timezone.utc))
    waiting = 0
    for number, data in enumerate(files):
        picture = read_image(data)
        waiting += isinstance(picture, FilteredRows)
        rows.image(f"id{number}", picture, f"{number}.png", len(data))
    assert waiting == 7
    taken = rows.take()
    images = taken["images"].to_pylist()
    assert [row["image_id"] for row in images] == [f"id{number}" for number in range(len(files))]
    for row, data in zip(images, files, strict=True):
        pixels = decode_image(data)
        little = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
        assert (row["height"], row["width"], row["channels"]) == pixels.shape
        assert row["dtype"] == pixels.dtype.name
        assert row["bytes"] == len(data)
        assert (row["mean"], row["std"], row["ink"]) == pytest.approx(statistics(pixels), rel=1e-6)
        small = max(pixels.shape[:2]) <= 32
        assert row["thumbnail"] == (None if small else thumbnail(pixels))
        if len(little) <= 60_000:
            assert row["pixels"] == little
        else:
            assert row["pixels"] is None
            chunks = taken["image_chunks"].to_pylist()
            assert {chunk["image_id"] for chunk in chunks} == {row["image_id"]}
            assert [chunk["chunk"] for chunk in chunks] == list(range(len(chunks)))
            assert b"".join(chunk["data"] for chunk in chunks) == little
            assert max(len(chunk["data"]) for chunk in chunks) == CHUNK_BYTES
    assert rows.held_bytes == 0
    assert rows.take()["images"].num_rows == 0
