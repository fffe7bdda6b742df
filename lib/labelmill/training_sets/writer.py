"""Writes a training set's files: rows in order in, shards and manifest out."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.domain.splits.hashing import SPLITS
from labelmill.errors import InputError
from labelmill.feed.files.columns import About, with_about
from labelmill.feed.files.digest import SetDigest
from labelmill.feed.files.manifest import FORMAT, Manifest, Shard
from labelmill.training_sets.destination import Place
from labelmill.training_sets.histogram import histogram

SHARD_ROWS, SHARD_BYTES = 8192, 64 << 20
_WRITERS, _WAITING = 2, 4
"""Shards in the making at once, and in memory."""


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
    """

    columns: pa.Schema
    about: About
    splits: npt.NDArray[np.int8]
    sizes: npt.NDArray[np.int64]
    histogram: dict[str, dict[str, int]]
    batch: Callable[[int, int], pa.RecordBatch]

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
        return cls(whole.schema, about, splits, sizes, counts, batch)

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


class Known(NamedTuple):
    """What the catalogue says of rows: their name and their location."""

    name: str
    location: str


def write_training_set(
    rows: Rows,
    root: str,
    described: dict[str, Any],
    known: Callable[[str], Known | None] = lambda digest: None,
) -> tuple[Manifest, str, bool]:
    """Writes files and, last, the manifest; all of it or nothing stays.

    Args:
        rows: In order.
        root: Folder or `pyarrow.fs` URI; the training set goes to ``ROOT/DIGEST``.
        described: Fields of the manifest that the rows do not tell.
        known: Digest to what these rows are called already, and where they lie; both stand before
            what is described, if they are whole there.

    Returns:
        The manifest that lies there now, its location, and whether these rows were frozen there
        before; then the files there are kept.

    Raises:
        InputError: No room, no right to write there, or a URI that means nothing here.
    """
    place = Place(root)
    with place.staging() as work:
        hashed, shards = SetDigest(rows.columns, rows.about), []
        for cut, batch, shard in _made(rows, work):
            hashed.update(cut.split, batch)
            shards.append(shard)
        digest = hashed.hexdigest()
        before = known(digest)
        name = before.name if before else described["name"]
        if (found := _lies(place, before, digest)) is not None:
            there, at = found
            if there.name != name:
                there = there.model_copy(update={"name": name})
                at.rename(there)
            return there, at.location(digest), True
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
        lies = place.commit(work, manifest)
    return lies, place.location(digest), lies is not manifest


def _lies(place: Place, before: Known | None, digest: str) -> tuple[Manifest, Place] | None:
    """The first place where these rows lie whole already, the catalogue's before the one asked for."""
    if before is not None and before.location != place.location(digest):
        with suppress(InputError):  # out of reach from here
            first = Place(before.location.removesuffix(f"/{digest}"))
            if first.location(digest) == before.location and (there := first.whole(digest)):
                return there, first
    there = place.whole(digest)
    return None if there is None else (there, place)


def _made(rows: Rows, work: Path) -> Iterator[tuple[Cut, pa.RecordBatch, Shard]]:
    """Writes shards, several at once; gives them in order, with few of them in memory."""
    schema, cuts = with_about(rows.columns, rows.about), rows.cuts()
    waiting: deque[tuple[Cut, Future[tuple[pa.RecordBatch, Shard]]]] = deque()
    with ThreadPoolExecutor(_WRITERS) as writers:
        for cut in cuts:
            waiting.append((cut, writers.submit(_write, rows, schema, work, cut)))
            if len(waiting) == _WAITING:
                first, done = waiting.popleft()
                yield first, *done.result()
        for first, done in waiting:
            yield first, *done.result()


def _write(rows: Rows, schema: pa.Schema, work: Path, cut: Cut) -> tuple[pa.RecordBatch, Shard]:
    # One record batch a shard, so that a split is few arrays and files do not depend on how the
    # rows came.
    batch = rows.batch(cut.start, cut.stop)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(batch.replace_schema_metadata(schema.metadata))
    data = sink.getvalue()
    with open(work / cut.file, "wb", buffering=0) as file:
        rest = memoryview(data)
        while rest.nbytes:
            rest = rest[file.write(rest) :]
    return batch, Shard(
        file=cut.file,
        split=cut.split,
        rows=len(batch),
        bytes=data.size,
        sha256=hashlib.sha256(data).hexdigest(),
    )
