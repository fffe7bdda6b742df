"""The answer to a query that Spark need not run, read by the row client."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.sql.pushdown.match import TRUTH, Plain
from labelmill.store.client import RowClient
from labelmill.store.reading.id_index import Ids
from labelmill.store.reading.parallel_scan import read
from labelmill.store.schema.columns import schema_of
from labelmill.store.schema.tables import ANNOTATIONS, IMAGES, TABLES
from labelmill.store.schema.truth import READS, truth_of
from labelmill.store.schema.types import Table

_IMAGE = ("collection", "image_id")


class NoRoomError(Exception):
    """More than was allowed would be in memory."""


def plain_answer(client: RowClient, query: Plain, snapshot_ms: int, room: int) -> pa.Table:
    """All rows of a query, in no order.

    Args:
        client: Open client.
        query: What it reads.
        snapshot_ms: What to read at.
        room: Bytes that are read at most, of one table.

    Raises:
        NoRoomError: There is more.
        InputError: A snapshot older than Kudu's history.
        StoreError: Kudu refused.
        StoreUnreachable: Kudu did not answer in time.
    """
    scans = _Scans(client, snapshot_ms, room)
    names = {name for _, of_images, name in query.columns if of_images}
    with ThreadPoolExecutor(1) as beside:
        joined: Future[pa.Table] | None = None
        if query.joined is not None:
            joined = beside.submit(scans.read, IMAGES, query.joined, names)
        rows = scans.rows(query, {name for _, of_images, name in query.columns if not of_images})
        images = joined.result() if joined else rows
    if joined:
        images = images.take(pc.sort_indices(images["image_id"]))
        places = Ids(images["image_id"]).places(rows["image_id"].combine_chunks())
        there = np.flatnonzero(places >= 0)
        rows, images = rows.take(pa.array(there)), images.take(pa.array(places[there]))
    collection = pa.repeat(pa.scalar(query.equal["collection"], pa.string()), len(rows))
    values = [
        collection if name == "collection" else (images if of_images else rows)[name]
        for _, of_images, name in query.columns
    ]
    return pa.table(values, names=[shown for shown, _, _ in query.columns])


@dataclass(frozen=True)
class _Scans:
    client: RowClient
    at: int
    room: int

    def rows(self, query: Plain, names: set[str]) -> pa.Table:
        if query.view != TRUTH:
            return self.read(TABLES[query.view], query.equal, names)
        key = {name: value for name, value in query.equal.items() if name in _IMAGE}
        rows = truth_of(self.read(ANNOTATIONS, key, set(READS)))
        for name in query.equal.keys() - key.keys():
            rows = rows.filter(pc.equal(rows[name], query.equal[name]))
        return rows

    def read(self, table: Table, where: Mapping[str, str], names: set[str]) -> pa.Table:
        # All rows are of one collection: that column is not read. The next of the key always is.
        columns = [
            one for one in table.columns if one.name in {*names, table.key[1]} - {"collection"}
        ]
        batches: list[pa.RecordBatch] = []
        taken = 0

        def put(batch: pa.RecordBatch) -> None:
            nonlocal taken
            taken += batch.nbytes
            if taken > self.room:
                raise NoRoomError
            batches.append(batch)

        read(self.client, table, [one.name for one in columns], where, self.at, put)
        return pa.Table.from_batches(batches, schema_of(columns))
