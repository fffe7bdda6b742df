"""Answers queries that bypass Spark, with the row client."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.sql.pushdown.match import TRUTH, StoreQuery
from labelmill.store.client import RowClient
from labelmill.store.reading.id_index import IdIndex
from labelmill.store.reading.parallel_scan import read
from labelmill.store.schema.columns import schema_of
from labelmill.store.schema.tables import ANNOTATIONS, IMAGES, TABLES
from labelmill.store.schema.truth import READS, truth_of
from labelmill.store.schema.types import Table

_IMAGE = ("collection", "image_id")


class ResultTooLargeError(Exception):
    """More bytes would be in memory than the caller allows."""


def scan_query(client: RowClient, query: StoreQuery, snapshot_ms: int, max_bytes: int) -> pa.Table:
    """Reads all rows of a query, in no particular order.

    Args:
        client: Open client.
        query: What to read.
        snapshot_ms: Milliseconds since 1970 UTC at which to read.
        max_bytes: Most bytes to read from one table.

    Returns:
        The query's columns, as strings.

    Raises:
        ResultTooLargeError: A table has more.
        InputError: A snapshot older than Kudu's history.
        StoreError: Kudu refused.
        StoreUnreachable: Kudu did not answer in time.
    """
    scans = _Scans(client, snapshot_ms, max_bytes)
    names = {name for _, of_images, name in query.columns if of_images}
    with ThreadPoolExecutor(1) as pool:
        joined: Future[pa.Table] | None = None
        if query.joined is not None:
            joined = pool.submit(scans.read, IMAGES, query.joined, names)
        rows = scans.rows(query, {name for _, of_images, name in query.columns if not of_images})
        images = joined.result() if joined else rows
    if joined:
        images = images.take(pc.sort_indices(images["image_id"]))
        positions = IdIndex(images["image_id"]).positions(rows["image_id"].combine_chunks())
        matched = np.flatnonzero(positions >= 0)
        rows, images = rows.take(pa.array(matched)), images.take(pa.array(positions[matched]))
    collection = pa.repeat(pa.scalar(query.equal["collection"], pa.string()), len(rows))
    values = [
        collection if name == "collection" else (images if of_images else rows)[name]
        for _, of_images, name in query.columns
    ]
    return pa.table(values, names=[name for name, _, _ in query.columns])


@dataclass(frozen=True)
class _Scans:
    client: RowClient
    snapshot_ms: int
    max_bytes: int

    def rows(self, query: StoreQuery, names: set[str]) -> pa.Table:
        if query.view != TRUTH:
            return self.read(TABLES[query.view], query.equal, names)
        key = {name: value for name, value in query.equal.items() if name in _IMAGE}
        rows = truth_of(self.read(ANNOTATIONS, key, set(READS)))
        for name in query.equal.keys() - key.keys():
            rows = rows.filter(pc.equal(rows[name], query.equal[name]))
        return rows

    def read(self, table: Table, where: Mapping[str, str], names: set[str]) -> pa.Table:
        # All rows are of one collection, so that column is not read; the next key column always is.
        columns = [
            one for one in table.columns if one.name in {*names, table.key[1]} - {"collection"}
        ]
        batches: list[pa.RecordBatch] = []
        size = 0

        def add(batch: pa.RecordBatch) -> None:
            nonlocal size
            size += batch.nbytes
            if size > self.max_bytes:
                raise ResultTooLargeError
            batches.append(batch)

        read(self.client, table, [one.name for one in columns], where, self.snapshot_ms, add)
        return pa.Table.from_batches(batches, schema_of(columns))
