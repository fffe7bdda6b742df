"""Shared by tests of sweeps: a small training set, and a plan with settings that fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from labelmill.domain.row_digest import rows_digest
from labelmill.feed.files.columns import About, columns_of
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import MODEL_CHUNKS, MODELS, TRIAL_METRICS, TRIALS
from labelmill.training_sets.writer import Rows, write_training_set

PLAN = """
name: tiny
model: tiny
fixed: {family: softmax, epochs: 3, batch_size: 16, seed: 1}
settings:
  - {learning_rate: 0.05}
  - {learning_rate: 1.0e+30, family: mlp, hidden: [8]}
  - {learning_rate: 0.01}
  - {learning_rate: 0.02, batch_size: 0}
"""


def two_bars(
    folder: Path, names: tuple[str, str] = ("left", "right"), unseen: str = "", alpha: bool = False
) -> str:
    """Freezes 240 images of 4×4: class ``left`` is bright on the left, ``right`` on the right.

    Args:
        names: The two classes; equal ones make one.
        unseen: A class that half of the test images get, and no others.
        alpha: Black pictures whose shape is in their alpha channel.
    """
    rng, rows = np.random.default_rng(0), []
    for split, count in (("test", 20), ("train", 180), ("validation", 40)):
        for number in range(count):
            side = number % 2
            pixels = rng.integers(0, 120, (4, 4), dtype=np.uint8)
            pixels[:, 2 * side : 2 * side + 2] += 100
            name = unseen if unseen and split == "test" and side else names[side]
            if alpha:
                pixels = np.stack([np.zeros_like(pixels), pixels], axis=2)
            rows.append({
                "collection": "bars", "image_id": f"{split}{number:05d}", "split": split,
                "class": name, "height": 4, "width": 4, "channels": 1 + alpha,
                "dtype": "uint8", "pixels": pixels.tobytes(),
            })  # fmt: skip
    described = {
        "name": "bars", "sql": "drawn", "parameters": {}, "snapshot_ms": 0, "splitting": {},
        "created_at": "",
    }  # fmt: skip
    classes = sorted({*names, *([unseen] if unseen else [])})
    table = pa.Table.from_pylist(rows, schema=columns_of("images", "class"))
    content = Rows.from_table(table, About("images", "class", classes))
    _, location, _ = write_training_set(content, str(folder), described)
    return location


def digest(client: RowClient) -> str:
    """Digest of everything that a sweep writes, without times and hosts."""
    left_out = {"host", "seconds", "finished_at", "created_at", "data"}
    return rows_digest(
        [table.name, *(value for name, value in sorted(row.items()) if name not in left_out)]
        for table in (MODELS, MODEL_CHUNKS, TRIALS, TRIAL_METRICS)
        for row in client.scan(table)
    )
