"""A scan by the row client, several of its tablets at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from labelmill.store.client import RowClient
from labelmill.store.schema.types import Table

READERS = 4
"""Scans at once: one waits for Kudu while another puts down what it got."""


def read(
    client: RowClient,
    table: Table,
    columns: Sequence[str],
    where: Mapping[str, object],
    snapshot_ms: int,
    put: Callable[[pa.RecordBatch], object],
    stop: threading.Event | None = None,
) -> None:
    """Reads a scan by its tokens; the first error ends all.

    Args:
        client: Open client.
        table: What to read.
        columns: As for `RowClient.scan`.
        where: As for `RowClient.scan`.
        snapshot_ms: What to read at.
        put: Is given each batch, by several threads, in no order.
        stop: Set by who wants no more; what has come by then is given.
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
