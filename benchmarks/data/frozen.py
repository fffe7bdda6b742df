"""Training sets for benchmarks, made of arrays: the same files as `freeze` writes, without Kudu and Spark."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.data.digits import Digits
from labelmill.feed.files.columns import About, columns_of, with_about
from labelmill.feed.files.digest import SetDigest
from labelmill.feed.files.manifest import FORMAT, MANIFEST, Manifest, Shard

COLLECTION, SPLIT = "bench", "train"
ROWS_OF_A_SHARD, BYTES_OF_A_SHARD = 8192, 64 << 20


def freeze_digits(digits: Digits, root: Path) -> Path:
    """Writes a training set of one split, sorted by id, in shards as large as `freeze` cuts them.

    Args:
        digits: What to freeze; all different.
        root: The folder DIGEST/ goes below it.

    Returns:
        The folder of the training set.
    """
    classes = [str(number) for number in range(10)]
    about = About("images", "class", classes)
    schema = with_about(columns_of("images", "class"), about)
    flat = digits.images.reshape(len(digits), -1)
    ids = np.array([hashlib.sha256(row).hexdigest() for row in flat])
    order = np.argsort(ids)
    partial = root / "partial"
    partial.mkdir(parents=True)
    shards, hashed = [], SetDigest(schema.remove_metadata(), about)
    rows = max(1, min(ROWS_OF_A_SHARD, BYTES_OF_A_SHARD // flat.shape[1]))
    for start in range(0, len(digits), rows):
        taken = order[start : start + rows]
        batch = _batch(schema, digits, taken, ids[taken].tolist())
        hashed.update(SPLIT, batch)
        shards.append(_write(partial / f"{SPLIT}-{len(shards):05d}.arrow", batch))
    digest = hashed.hexdigest()
    counted = np.bincount(digits.classes, minlength=10).tolist()
    manifest = Manifest(
        format=FORMAT,
        digest=digest,
        name=COLLECTION,
        kind="images",
        target="class",
        sql="-- made for a benchmark",
        parameters={},
        snapshot_ms=0,
        rows=len(digits),
        classes=classes,
        histogram={SPLIT: dict(zip(classes, counted, strict=True))},
        splitting={},
        shards=shards,
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    (partial / MANIFEST).write_text(json.dumps(manifest.model_dump(), indent=1))
    return partial.rename(root / digest)


def _batch(schema: pa.Schema, digits: Digits, taken: np.ndarray, ids: list[str]) -> pa.RecordBatch:
    images = digits.images[taken]
    rows, height, width, channels = images.shape
    ends = np.arange(rows + 1, dtype=np.int32) * (height * width * channels)
    pixels = pa.Array.from_buffers(
        pa.binary(), rows, [None, pa.py_buffer(ends), pa.py_buffer(images.tobytes())]
    )
    columns = {
        "collection": pa.repeat(COLLECTION, rows),
        "image_id": pa.array(ids),
        "split": pa.repeat(SPLIT, rows),
        "height": pa.repeat(height, rows).cast(pa.int32()),
        "width": pa.repeat(width, rows).cast(pa.int32()),
        "channels": pa.repeat(channels, rows).cast(pa.int32()),
        "dtype": pa.repeat("uint8", rows),
        "pixels": pixels,
        "class": pa.array(digits.classes[taken]).cast(pa.string()),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _write(place: Path, batch: pa.RecordBatch) -> Shard:
    with pa.ipc.new_file(str(place), batch.schema) as writer:
        writer.write_batch(batch)
    return Shard(
        file=place.name,
        split=SPLIT,
        rows=len(batch),
        bytes=place.stat().st_size,
        sha256=hashlib.sha256(place.read_bytes()).hexdigest(),
    )
