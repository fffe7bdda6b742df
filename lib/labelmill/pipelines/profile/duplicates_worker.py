"""Runs on executors: hashes to near pairs, pixels to digests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from labelmill.domain.profiles.near_pairs import WINDOW, band_keys, near_pairs
from labelmill.pipelines.profile.worker import outlines_of
from labelmill.sql.pixels import PART_COLUMNS, group_parts

BANDED = pa.schema(
    [("key", pa.int64()), ("look", pa.int64()), ("hash", pa.int64()), ("outline", pa.binary())]
)
"""One row per image and key; ``look`` is the image's number, ``key`` that of two bands of its hash."""


PAIRS = pa.schema(
    [
        ("a", pa.int64()),
        ("b", pa.int64()),
        ("distance", pa.int32()),
        ("likeness", pa.float64()),
        ("skipped", pa.int64()),
    ]
)
"""Near pairs, a < b; or, where a is null, how many images were not compared with all candidates."""


DIGESTS = pa.schema([("image_id", pa.string()), ("digest", pa.binary())])

_DIGESTS_A_BATCH = 1000


def band_batches(batches: Iterator[pa.RecordBatch], distance: int) -> Iterator[pa.RecordBatch]:
    """Columns ``look``, ``hash``, ``outline`` (no nulls) to `BANDED`."""
    for batch in batches:
        hashes = batch.column("hash").to_numpy().view(np.uint64)
        # One batch per key, so that none is many times larger than the input batch.
        for keys in band_keys(hashes, distance):
            yield pa.RecordBatch.from_arrays(
                [
                    pa.array(keys.view(np.int64)),
                    batch.column("look"),
                    batch.column("hash"),
                    batch.column("outline"),
                ],
                schema=BANDED,
            )


def pair_batches(
    batches: Iterator[pa.RecordBatch], distance: int, least: float
) -> Iterator[pa.RecordBatch]:
    """Rows of `BANDED`, sorted by key and with all rows of a key in one task, to `PAIRS`.

    Args:
        batches: Those of a task.
        distance: Most bits that differ.
        least: Least likeness.
    """
    kept: pa.RecordBatch | None = None
    skipped = 0
    for batch in batches:
        before = len(kept) if kept is not None else 0
        rows = batch if kept is None else _concatenate(kept, batch)
        looks = rows.column("look").to_numpy()
        found = near_pairs(
            rows.column("key").to_numpy().view(np.uint64),
            rows.column("hash").to_numpy().view(np.uint64),
            outlines_of(rows.column("outline")),
            before,
            distance,
            least,
        )
        one, other = looks[found.later], looks[found.earlier]
        if len(one):
            yield pa.RecordBatch.from_arrays(
                [
                    pa.array(np.minimum(one, other)),
                    pa.array(np.maximum(one, other)),
                    pa.array(found.distance.astype(np.int32)),
                    pa.array(found.likeness),
                    pa.nulls(len(one), pa.int64()),
                ],
                schema=PAIRS,
            )
        skipped += found.skipped
        kept = rows.slice(max(0, len(rows) - WINDOW - 1))
    if skipped:
        yield pa.RecordBatch.from_pylist([{"skipped": skipped}], schema=PAIRS)


def digest_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of `PART_COLUMNS` to `DIGESTS`: of shape, dtype and pixels, whatever the chunks."""
    found: list[dict[str, Any]] = []
    for rows in group_parts(batches):
        digest = hashlib.sha256()
        image_id = ""
        for row in rows:
            if not image_id:
                image_id = row["image_id"]
                digest.update(repr([row[name] for name in PART_COLUMNS[1:5]]).encode())
            digest.update(row["data"])
        found.append({"image_id": image_id, "digest": digest.digest()})
        if len(found) == _DIGESTS_A_BATCH:
            yield pa.RecordBatch.from_pylist(found, schema=DIGESTS)
            found = []
    yield pa.RecordBatch.from_pylist(found, schema=DIGESTS)


def _concatenate(kept: pa.RecordBatch, batch: pa.RecordBatch) -> pa.RecordBatch:
    table = pa.Table.from_batches([kept, batch.cast(kept.schema)]).combine_chunks()
    return table.to_batches()[0] if len(table) else batch
