"""A scan by the row client that reads several tablets at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from labelmill.store.client import RowClient
from labelmill.store.schema.types import Table

READERS = 4
"""Scans at a time: one waits for Kudu while another copies what it received."""


def read(
    client: RowClient,
    table: Table,
    columns: Sequence[str],
    where: Mapping[str, object],
    snapshot_ms: int,
    put: Callable[[pa.RecordBatch], object],
    stop: threading.Event | None = None,
) -> None:
    """Reads a scan by its tokens, in parallel; the first error ends all of them.

    Args:
        client: Open client.
        table: What to read.
        columns: As for `RowClient.scan`.
        where: As for `RowClient.scan`.
        snapshot_ms: What to read at.
        put: Receives each batch, from several threads, in no order.
        stop: Set by a caller that needs no more; batches that arrived before are delivered.
    """
    stop = stop or threading.Event()

    def one(token: bytes) -> None:
        try:
            for batch in client.scan(table, columns, token=token).batches():
                if stop.is_set():
                    return
                put(batch)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(READERS) as readers:
        tokens = client.scan(table, columns, where, snapshot_ms).tokens()
        for done in [readers.submit(one, token) for token in tokens]:
            done.result()
