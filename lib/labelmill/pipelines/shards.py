"""Writes a training set's files: rows in order in, shards and manifest out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.domain.splits import SPLITS
from labelmill.feed.hashes import row_hashes, set_digest
from labelmill.feed.manifest import FORMAT, Manifest, Shard
from labelmill.feed.rows import About, with_about
from labelmill.pipelines.freeze_index import histogram
from labelmill.pipelines.training_set_place import Place, Put, told

SHARD_ROWS, SHARD_BYTES = 8192, 64 << 20
_HASHED_ROWS = 1 << 16
_WRITERS = 2
"""Shards in the making at once, hence in memory."""


@dataclass(frozen=True)
class Rows:
    """What goes into a training set, in order of (split, collection, key).

    Attributes:
        columns: Of a frozen row.
        about: Kind, target, classes.
        splits: ``(N,)`` places in ``SPLITS``, ascending.
        sizes: ``(N,)`` bytes of each row, about.
        histogram: Of the manifest.
        batch: Rows from, to: all `columns`.
        unread: The same with columns of type `labelmill.feed.hashes.HASH` in place of arrays.
    """

    columns: pa.Schema
    about: About
    splits: npt.NDArray[np.int8]
    sizes: npt.NDArray[np.int64]
    histogram: dict[str, dict[str, int]]
    batch: Callable[[int, int], pa.RecordBatch]
    unread: Callable[[int, int], pa.RecordBatch]

    @classmethod
    def of_table(cls, table: pa.Table, about: About) -> Rows:
        """Rows that are in memory already, in order.

        Args:
            table: Columns of a frozen row.
            about: Kind, target, classes.
        """
        whole = table.combine_chunks()
        splits = np.array([SPLITS.index(name) for name in whole["split"].to_pylist()], np.int8)

        def batch(start: int, stop: int) -> pa.RecordBatch:
            return whole.slice(start, stop - start).to_batches()[0]

        sizes = np.full(len(whole), whole.nbytes // max(1, len(whole)), np.int64)
        counts = histogram(whole, about.target, splits)
        return cls(whole.schema, about, splits, sizes, counts, batch, batch)

    def digest(self) -> str:
        """Of the training set (`labelmill.feed.hashes`)."""
        parts = []
        for split, start, stop in self._parts():
            hashed = bytearray()
            for begin in range(start, stop, _HASHED_ROWS):
                found = row_hashes(self.unread(begin, min(stop, begin + _HASHED_ROWS)))
                hashed += memoryview(found.buffers()[1])
            parts.append((split, bytes(hashed)))
        return set_digest(self.columns, self.about, parts)

    def cuts(self) -> Iterator[Cut]:
        """Shards to be: at most `SHARD_ROWS` rows and, unless one row is larger, `SHARD_BYTES`."""
        upto = np.cumsum(self.sizes)
        for split, start, stop in self._parts():
            number = 0
            while start < stop:
                before = int(upto[start - 1]) if start else 0
                fits = int(np.searchsorted(upto, before + SHARD_BYTES, side="right"))
                end = min(max(fits, start + 1), start + SHARD_ROWS, stop)
                yield Cut(f"{split}-{number:05d}.arrow", split, start, end)
                start, number = end, number + 1

    def _parts(self) -> Iterator[tuple[str, int, int]]:
        bounds = np.searchsorted(self.splits, np.arange(len(SPLITS) + 1)).tolist()
        for name, (start, stop) in zip(SPLITS, pairwise(bounds), strict=True):
            if stop > start:
                yield name, start, stop


class Cut(NamedTuple):
    """One shard to be: its file, split, and rows from, to."""

    file: str
    split: str
    start: int
    stop: int


def write_training_set(
    rows: Rows,
    root: str,
    described: dict[str, Any],
    named: Callable[[str], str | None] = lambda digest: None,
) -> tuple[Manifest, str, bool]:
    """Writes files and, last, the manifest; all of it or nothing stays.

    Args:
        rows: In order.
        root: Folder or `pyarrow.fs` URI; the training set goes to ``ROOT/DIGEST``.
        described: Fields of the manifest that the rows do not tell.
        named: Digest to the name that these rows have already; it stands before the described one.

    Returns:
        The manifest that lies there now, its location, and whether these rows were frozen there
        before; then the files there are kept.

    Raises:
        InputError: No room, no right to write there, or a URI that means nothing here.
    """
    digest = rows.digest()
    name = named(digest) or described["name"]
    place = Place(root, digest)
    with told(place.location):
        there = place.whole()
    if there is not None:
        if there.name != name:
            there = there.model_copy(update={"name": name})
            place.rename(there)
        return there, place.location, True
    with place.writing() as put:
        schema = with_about(rows.columns, rows.about)
        with ThreadPoolExecutor(_WRITERS) as writers:
            shards = list(writers.map(partial(_write, rows, schema, put), rows.cuts()))
        manifest = Manifest(
            **described | {"name": name},
            format=FORMAT,
            digest=digest,
            kind=rows.about.kind,
            target=rows.about.target,
            rows=len(rows.splits),
            classes=rows.about.classes,
            histogram=rows.histogram,
            shards=shards,
        )
        put.manifest(manifest)
    return manifest, place.location, False


def _write(rows: Rows, schema: pa.Schema, put: Put, cut: Cut) -> Shard:
    # One record batch a shard, so that a split is few arrays and files do not depend on how the
    # rows came.
    batch = rows.batch(cut.start, cut.stop)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(batch.replace_schema_metadata(schema.metadata))
    data = sink.getvalue()
    put(cut.file, data)
    return Shard(
        file=cut.file,
        split=cut.split,
        rows=len(batch),
        bytes=data.size,
        sha256=hashlib.sha256(data).hexdigest(),
    )
