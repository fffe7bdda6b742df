"""Small training sets for tests, as freezing writes them, but without Spark and Kudu."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.feed.files.columns import About, columns_of, key_of, with_about
from labelmill.feed.files.manifest import FORMAT, MANIFEST, Manifest, Shard
from labelmill.feed.training_set import TrainingSet

Image = npt.NDArray[Any]

THREE = About("images", "class", ["a", "b", "c"])


def write(
    root: Path,
    rows: list[dict[str, Any]],
    about: About = THREE,
    features: pa.Schema | None = None,
    shard_rows: int = 40,
) -> str:
    """Writes rows below ``root``, sorted by (split, key), and returns the folder."""
    schema = with_about(columns_of(about.kind, about.target, features), about)
    rows = sorted(rows, key=lambda row: (row["split"], row[key_of(about.kind)]))
    # Bytes are hashed as they are: their `repr` is three times as long, and most of the time.
    hashed = hashlib.sha256()
    for row in rows:
        hashed.update(repr({n: v for n, v in row.items() if not isinstance(v, bytes)}).encode())
        for value in row.values():
            if isinstance(value, bytes):
                hashed.update(value)
    digest = hashed.hexdigest()
    folder = root / digest
    folder.mkdir(parents=True)
    shards, histogram = [], {}
    for split in sorted({row["split"] for row in rows}):
        of = [row for row in rows if row["split"] == split]
        histogram[split] = dict(Counter(row.get("class", "") for row in of))
        for start in range(0, len(of), shard_rows):
            part = pa.Table.from_pylist(of[start : start + shard_rows], schema=schema)
            path = folder / f"{split}-{start // shard_rows:05d}.arrow"
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
                writer.write_table(part)
            data = path.read_bytes()
            shards.append(
                Shard(
                    file=path.name, split=split, rows=len(part), bytes=len(data),
                    sha256=hashlib.sha256(data).hexdigest(),
                )
            )  # fmt: skip
    manifest = Manifest(
        format=FORMAT, digest=digest, name="drawn", kind=about.kind, target=about.target,
        sql="drawn", parameters={}, snapshot_ms=0, rows=len(rows), classes=about.classes,
        histogram=histogram, splitting={}, shards=shards, created_at="",
    )  # fmt: skip
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    return str(folder)


def image_row(number: int, image: Image, split: str = "train", **more: Any) -> dict[str, Any]:
    """A frozen image."""
    height, width, channels = image.shape
    return {
        "collection": "drawn", "image_id": f"{number:06d}", "split": split,
        "height": height, "width": width, "channels": channels, "dtype": image.dtype.name,
        "pixels": np.ascontiguousarray(image).tobytes(), **more,
    }  # fmt: skip


def numbered(root: Path, count: int = 100, size: int = 4, **more: Any) -> TrainingSet:
    """Images of one shape; the first two pixels of each are its row number in base 256.

    Of 10 rows, 7 are of class ``a``, 2 of ``b`` and 1 of ``c``.
    """
    rows = []
    for number in range(count):
        image = np.full((size, size, 1), number % 251, np.uint8)
        image[0, 0, 0], image[0, 1, 0] = number // 256, number % 256
        rows.append(image_row(number, image, **{"class": "aaaaaaabbc"[number % 10]}))
    return TrainingSet.open(write(root, rows, **more))


def number_of(images: Image) -> list[int]:
    """The row numbers in images of `numbered`."""
    return [int(n) for n in images[:, 0, 0, 0].astype(int) * 256 + images[:, 0, 1, 0]]


def scattered(root: Path, count: int = 60) -> TrainingSet:
    """Images of mixed shapes and channels."""
    random = np.random.default_rng(0)
    rows = [
        image_row(
            number,
            random.integers(0, 255, (6 + number % 3, 8, (1, 3)[number % 2]), np.uint8),
            **{"class": "abc"[number % 3]},
        )
        for number in range(count)
    ]
    return TrainingSet.open(write(root, rows))
