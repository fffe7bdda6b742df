"""Rows per split and class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.domain.splits.hashing import SPLITS
from labelmill.feed.files.columns import Target


def histogram(
    rows: pa.Table, target: Target, splits: npt.NDArray[np.int8]
) -> dict[str, dict[str, int]]:
    """Counts rows per split and class, as a manifest holds them.

    Args:
        rows: Sorted; has the column of the target.
        target: Kind of target.
        splits: ``(N,)`` indices into ``SPLITS``.
    """
    found: dict[str, dict[str, int]] = {}
    for code, split in enumerate(SPLITS):
        inside = splits == code
        if not inside.any():
            continue
        if target not in ("class", "classes"):
            found[split] = {"": int(np.count_nonzero(inside))}
            continue
        values = rows[target].filter(pa.array(inside))
        counts = pc.value_counts(pc.list_flatten(values) if target == "classes" else values)
        counted = {str(c["values"]): int(c["counts"]) for c in counts.to_pylist()}
        found[split] = dict(sorted(counted.items()))
    return found
