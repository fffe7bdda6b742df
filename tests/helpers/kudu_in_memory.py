"""A Kudu that answers from memory: images of some collections, in tablets of a few rows."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from labelmill.store.scans import Scan
from labelmill.store.schema.conditions import Between
from labelmill.store.schema.types import Table

Arrays = Mapping[str, np.ndarray]
"""image_id → pixels ``(H, W, C)``."""


class ImagesInMemory:
    """What live batches need of a `RowClient`.

    Args:
        collections: Name → images.
        tablet: Images of a tablet; a scan has a token per tablet, and returns it backwards.

    Attributes:
        scans: Table, and ids or token, of each scan that was begun.
    """

    def __init__(self, collections: Mapping[str, Arrays], tablet: int = 10) -> None:
        self._collections, self._tablet = collections, tablet
        self._lock = threading.Lock()
        self.scans: list[tuple[str, object]] = []

    def scan(
        self,
        table: Table,
        columns: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        snapshot_ms: int | None = None,
        token: bytes | None = None,
    ) -> Scan:
        """See `RowClient.scan`."""
        chosen = self._chosen(where or {}) if token is None else json.loads(token)

        def batches() -> Iterator[pa.RecordBatch]:
            with self._lock:
                self.scans.append((table.name, token or (where or {}).get("image_id")))
            for tablet in self._tablets(chosen):
                yield self._batch(tablet[::-1], list(columns or ()))

        def tokens() -> list[bytes]:
            return [json.dumps(tablet).encode() for tablet in self._tablets(chosen)]

        return Scan(lambda: iter(()), batches, tokens)

    def _chosen(self, where: Mapping[str, Any]) -> list[list[str]]:
        """Collection and id of the images that fulfil a condition, in order."""
        found = sorted(self._collections.get(where["collection"], {}))
        match where.get("image_id"):
            case None:
                pass
            case Between(low, high):
                found = [
                    i for i in found if (low is None or i >= low) and (high is None or i < high)
                ]
            case ids:
                found = [i for i in found if i in ids]
        return [[where["collection"], i] for i in found]

    def _tablets(self, chosen: list[list[str]]) -> list[list[list[str]]]:
        return [chosen[n : n + self._tablet] for n in range(0, len(chosen), self._tablet)]

    def _batch(self, keys: list[list[str]], columns: list[str]) -> pa.RecordBatch:
        arrays = [self._collections[collection][i] for collection, i in keys]
        values: dict[str, pa.Array] = {
            "image_id": pa.array([i for _, i in keys], pa.string()),
            "height": pa.array([array.shape[0] for array in arrays], pa.int32()),
            "width": pa.array([array.shape[1] for array in arrays], pa.int32()),
            "channels": pa.array([array.shape[2] for array in arrays], pa.int32()),
            "dtype": pa.array([array.dtype.name for array in arrays], pa.string()),
            "pixels": pa.array([array.tobytes() for array in arrays], pa.binary()),
        }
        return pa.RecordBatch.from_arrays([values[name] for name in columns], columns)
