"""Runs on executors: pixels of images from Kudu, and pixels as files."""

from __future__ import annotations

import io
from collections import defaultdict
from typing import Any

import numpy as np

from labelmill.domain.codecs.netpbm.codec import encode_netpbm
from labelmill.domain.codecs.pixels import Pixels
from labelmill.domain.codecs.png.codec import encode_png
from labelmill.pipelines.export.file_names import Format
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import IMAGE_CHUNKS, IMAGES


def fetch_pixels(
    client: RowClient, rows: list[dict[str, Any]], snapshot_ms: int
) -> dict[tuple[str, str], bytes]:
    """Pixels of images, whole or in chunks.

    Args:
        client: Open client.
        rows: ``collection`` and ``image_id``.
        snapshot_ms: To read at.

    Returns:
        (collection, image id) → array bytes; without images that are missing, too short where chunks are.
    """
    ids_by_collection: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        ids_by_collection[row["collection"]].add(row["image_id"])
    found: dict[tuple[str, str], bytes] = {}
    for collection, ids in ids_by_collection.items():
        large: list[str] = []
        where = {"collection": collection, "image_id": sorted(ids)}
        for row in client.scan(IMAGES, ["image_id", "pixels"], where, snapshot_ms):
            if row["pixels"] is None:
                large.append(str(row["image_id"]))
            else:
                found[collection, str(row["image_id"])] = row["pixels"]  # type: ignore[assignment]
        if large:
            found |= _fetch_chunked(client, collection, sorted(large), snapshot_ms)
    return found


def _fetch_chunked(
    client: RowClient, collection: str, ids: list[str], snapshot_ms: int
) -> dict[tuple[str, str], bytes]:
    chunks: dict[str, dict[int, bytes]] = defaultdict(dict)
    where = {"collection": collection, "image_id": ids}
    columns = ["image_id", "chunk", "data"]
    for row in client.scan(IMAGE_CHUNKS, columns, where, snapshot_ms):
        chunks[str(row["image_id"])][int(str(row["chunk"]))] = row["data"]  # type: ignore[assignment]
    joined: dict[tuple[str, str], bytes] = {}
    for image_id in list(chunks):
        parts = chunks.pop(image_id)
        joined[collection, image_id] = b"".join(parts[number] for number in sorted(parts))
    return joined


def encode(pixels: Pixels, format: Format) -> bytes:
    """An array as a file: PNG, PGM/PPM/PAM, or NumPy's (shape ``(H, W, C)``, little-endian)."""
    if format == "png":
        return encode_png(pixels)
    if format == "netpbm":
        return encode_netpbm(pixels)
    sink = io.BytesIO()
    np.lib.format.write_array(sink, pixels, allow_pickle=False)
    return sink.getvalue()
