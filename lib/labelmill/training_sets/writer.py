"""Writes the files of a training set: sorted rows in, shards and manifest out."""

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
from labelmill.training_sets.destination import Destination
from labelmill.training_sets.histogram import histogram

SHARD_ROWS, SHARD_BYTES = 8192, 64 << 20
_WRITERS, _WAITING = 2, 4
"""Shards written at once, and shards held in memory."""


@dataclass(frozen=True)
class Rows:
    """The rows of a training set, sorted by (split, collection, key).

    Attributes:
        columns: Schema of a frozen row.
        about: Kind, target, classes.
        splits: ``(N,)`` indices into ``SPLITS``, ascending.
        sizes: ``(N,)`` approximate bytes of each row.
        histogram: Split → class → rows, for the manifest.
        batch: Function of (start, stop): those rows, with all `columns`.
    """

    columns: pa.Schema
    about: About
    splits: npt.NDArray[np.int8]
    sizes: npt.NDArray[np.int64]
    histogram: dict[str, dict[str, int]]
    batch: Callable[[int, int], pa.RecordBatch]

    @classmethod
    def from_table(cls, table: pa.Table, about: About) -> Rows:
        """Wraps sorted rows that are already in memory.

        Args:
            table: Has the columns of a frozen row.
            about: Kind, target, classes.
        """
        whole = table.combine_chunks()
        splits = np.array([SPLITS.index(name) for name in whole["split"].to_pylist()], np.int8)

        def batch(start: int, stop: int) -> pa.RecordBatch:
            return whole.slice(start, stop - start).to_batches()[0]

        sizes = np.full(len(whole), whole.nbytes // max(1, len(whole)), np.int64)
        counts = histogram(whole, about.target, splits)
        return cls(whole.schema, about, splits, sizes, counts, batch)

    def plan_shards(self) -> Iterator[ShardPlan]:
        """Plans shards of at most `SHARD_ROWS` rows and `SHARD_BYTES` (one larger row gets its own)."""
        end_bytes = np.cumsum(self.sizes)
        for split, start, stop in self._split_ranges():
            number = 0
            while start < stop:
                before = int(end_bytes[start - 1]) if start else 0
                fits = int(np.searchsorted(end_bytes, before + SHARD_BYTES, side="right"))
                end = min(max(fits, start + 1), start + SHARD_ROWS, stop)
                yield ShardPlan(f"{split}-{number:05d}.arrow", split, start, end)
                start, number = end, number + 1

    def _split_ranges(self) -> Iterator[tuple[str, int, int]]:
        bounds = np.searchsorted(self.splits, np.arange(len(SPLITS) + 1)).tolist()
        for name, (start, stop) in zip(SPLITS, pairwise(bounds), strict=True):
            if stop > start:
                yield name, start, stop


class ShardPlan(NamedTuple):
    """A shard to write: file name, split, first row, end row."""

    file: str
    split: str
    start: int
    stop: int


class Registered(NamedTuple):
    """Name and location under which the catalogue already has these rows."""

    name: str
    location: str


def write_training_set(
    rows: Rows,
    root: str,
    described: dict[str, Any],
    known: Callable[[str], Registered | None] = lambda digest: None,
) -> tuple[Manifest, str, bool]:
    """Writes the shards and, last, the manifest: all or nothing remains.

    Args:
        rows: Sorted.
        root: Folder or `pyarrow.fs` URI; the training set goes to ``ROOT/DIGEST``.
        described: Manifest fields that do not follow from the rows.
        known: Digest → name and location under which the catalogue has these rows; both take
            precedence over `described` if the files there are complete.

    Returns:
        The manifest that is now there, its location, and whether the rows were already frozen
        there; existing files are kept.

    Raises:
        InputError: No room, no right to write there, or an unusable URI.
    """
    destination = Destination(root)
    with destination.staging() as work:
        hashed, shards = SetDigest(rows.columns, rows.about), []
        for plan, batch, shard in _write_shards(rows, work):
            hashed.update(plan.split, batch)
            shards.append(shard)
        digest = hashed.hexdigest()
        before = known(digest)
        name = before.name if before else described["name"]
        if (found := _find_existing(destination, before, digest)) is not None:
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
        stored = destination.commit(work, manifest)
    return stored, destination.location(digest), stored is not manifest


def _find_existing(
    destination: Destination, before: Registered | None, digest: str
) -> tuple[Manifest, Destination] | None:
    """Where these rows are already complete: the catalogue's location first, then the requested one."""
    if before is not None and before.location != destination.location(digest):
        with suppress(InputError):  # out of reach from here
            first = Destination(before.location.removesuffix(f"/{digest}"))
            if first.location(digest) == before.location and (there := first.find_complete(digest)):
                return there, first
    there = destination.find_complete(digest)
    return None if there is None else (there, destination)


def _write_shards(rows: Rows, work: Path) -> Iterator[tuple[ShardPlan, pa.RecordBatch, Shard]]:
    """Writes several shards at once; yields them in order, holding few in memory."""
    schema, plan_shards = with_about(rows.columns, rows.about), rows.plan_shards()
    waiting: deque[tuple[ShardPlan, Future[tuple[pa.RecordBatch, Shard]]]] = deque()
    with ThreadPoolExecutor(_WRITERS) as writers:
        for plan in plan_shards:
            waiting.append((plan, writers.submit(_write_shard, rows, schema, work, plan)))
            if len(waiting) == _WAITING:
                first, done = waiting.popleft()
                yield first, *done.result()
        for first, done in waiting:
            yield first, *done.result()


def _write_shard(
    rows: Rows, schema: pa.Schema, work: Path, plan: ShardPlan
) -> tuple[pa.RecordBatch, Shard]:
    # One record batch per shard: a split is few arrays, and files do not depend on how rows arrived.
    batch = rows.batch(plan.start, plan.stop)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(batch.replace_schema_metadata(schema.metadata))
    data = sink.getvalue()
    with open(work / plan.file, "wb", buffering=0) as file:
        rest = memoryview(data)
        while rest.nbytes:
            rest = rest[file.write(rest) :]
    return batch, Shard(
        file=plan.file,
        split=plan.split,
        rows=len(batch),
        bytes=data.size,
        sha256=hashlib.sha256(data).hexdigest(),
    )
