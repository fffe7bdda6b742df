"""Rows of a catalogue, written directly: what tests of slices need, without decoding files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np

from labelmill.store.client import RowClient
from labelmill.store.schema.tables import ANNOTATIONS, IMAGE_CHUNKS, IMAGES, RECORDS

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
CHUNK = 32 << 10


def drawn(count: int, shape: tuple[int, int, int] = (4, 4, 1), seed: int = 0) -> list[Any]:
    """Arrays of noise, uint8."""
    return list(np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8))


def put_images(
    client: RowClient,
    collection: str,
    arrays: Mapping[str, np.ndarray[Any, Any]],
    splits: Mapping[str, str] | None = None,
    chunked: bool = False,
) -> None:
    """Writes images by id; with `chunked`, their pixels in chunks."""
    rows: list[dict[str, object]] = []
    for image_id, array in arrays.items():
        data, (height, width, channels) = array.tobytes(), array.shape
        rows.append({
            "collection": collection, "image_id": image_id, "uri": image_id,
            "split": (splits or {}).get(image_id), "height": height, "width": width,
            "channels": channels, "dtype": array.dtype.name, "pixels": None if chunked else data,
            "mean": 0.0, "std": 0.0, "ink": 0.0, "bytes": len(data), "ingested_at": NOW,
        })  # fmt: skip
        if chunked:
            pieces = range(0, len(data), CHUNK)
            client.write(IMAGE_CHUNKS, [
                {"collection": collection, "image_id": image_id, "chunk": number,
                 "data": data[start : start + CHUNK]}
                for number, start in enumerate(pieces)
            ])  # fmt: skip
    client.ensure(IMAGES)
    client.write(IMAGES, rows)


def annotate(
    client: RowClient,
    collection: str,
    classes: Mapping[str, str],
    source: str = "folder/x",
    minutes: int = 0,
) -> None:
    """Writes one annotation per image."""
    at = NOW + timedelta(minutes=minutes)
    client.ensure(ANNOTATIONS)
    client.write(ANNOTATIONS, [
        {"collection": collection, "image_id": i, "source": source, "class": c, "annotated_at": at}
        for i, c in classes.items()
    ])  # fmt: skip


def put_records(client: RowClient, collection: str, rows: Iterable[Sequence[Any]]) -> None:
    """Writes records: id, split, class, features as JSON."""
    client.ensure(RECORDS)
    client.write(RECORDS, [
        {"collection": collection, "record_id": i, "split": split, "class": c, "features": json,
         "ingested_at": NOW}
        for i, split, c, json in rows
    ])  # fmt: skip
