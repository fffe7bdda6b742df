"""Scans at one snapshot, for one consumer, through outages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from labelmill.store.client import RowClient
from labelmill.store.reading.scan_retry import read_with_retry
from labelmill.store.scans import Scan
from labelmill.store.schema.types import Table


@dataclass(frozen=True)
class SnapshotScans:
    """Scans for one consumer; threads may share it.

    Args:
        client: Open client.
        snapshot_ms: Milliseconds since 1970 UTC at which to read.
        patience_s: Seconds without any data after which an outage is an error.
        stop: Set when the consumer has gone.
    """

    client: RowClient
    snapshot_ms: int
    patience_s: float
    stop: threading.Event

    def by_id(self, table: Table, columns: Sequence[str], collection: str, ids: pa.Array) -> Scan:
        """A scan of some images of a collection."""
        where = {"collection": collection, "image_id": ids.to_pylist()}
        return self.client.scan(table, columns, where, self.snapshot_ms)

    def run(
        self,
        scan: Callable[[], Scan],
        take: Callable[[pa.RecordBatch], object],
        again: Callable[[], object] = lambda: None,
    ) -> None:
        """Runs a scan and starts it again after outages; see `scan_retry.read_with_retry`."""
        read_with_retry(scan, take, self.patience_s, self.stop, again)
