"""Writes a training set's files: rows in order in, shards and manifest out."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from labelmill.feed.hashes import row_hashes, set_digest
from labelmill.feed.manifest import FORMAT, MANIFEST, Manifest, Shard, read_manifest
from labelmill.feed.rows import About, columns_of, with_about

SHARD_ROWS, SHARD_BYTES = 8192, 64 << 20


class ShardWriter:
    """Cuts rows, which come in order of (split, collection, image_id), into files below `folder`.

    Args:
        folder: An empty folder.
        about: Goes into each file's metadata.
    """

    def __init__(self, folder: Path, about: About) -> None:
        self._folder, self._about = folder, about
        self._schema = with_about(columns_of(about.kind, about.target), about)
        self._hashes: dict[str, bytes] = {}
        self.shards: list[Shard] = []
        self.rows = 0
        self.histogram: dict[str, dict[str, int]] = {}
        self._waiting: list[pa.RecordBatch] = []
        self._split = ""

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds rows; columns as `columns_of`."""
        batch = batch.select(self._schema.names).cast(self._schema)
        splits = batch.column("split").to_pylist()
        start = 0
        while start < len(splits):
            split = splits[start]
            end = start + splits[start:].count(split)
            if split != self._split:
                self._close_shard()
                self._split = split
            self._add(batch.slice(start, end - start))
            start = end

    def close(self) -> str:
        """Ends the last shard.

        Returns:
            The digest.
        """
        self._close_shard()
        return set_digest(self._schema, self._about, self._hashes.items())

    def _add(self, batch: pa.RecordBatch) -> None:
        counts = self.histogram.setdefault(self._split, {})
        hashes = b"".join(row_hashes(batch).to_pylist())
        self._hashes[self._split] = self._hashes.get(self._split, b"") + hashes
        for name in batch.column("class").to_pylist():
            counts[name] = counts.get(name, 0) + 1
        self.rows += len(batch)
        while len(batch):
            have = sum(len(waiting) for waiting in self._waiting)
            part = batch.slice(0, SHARD_ROWS - have)
            self._waiting.append(part)
            batch = batch.slice(len(part))
            if (
                have + len(part) >= SHARD_ROWS
                or sum(b.nbytes for b in self._waiting) >= SHARD_BYTES
            ):
                self._close_shard()

    def _close_shard(self) -> None:
        if not self._waiting:
            return
        number = sum(shard.split == self._split for shard in self.shards)
        name = f"{self._split}-{number:05d}.arrow"
        # One record batch a shard, so that a split is few arrays and files do not depend on how
        # the rows came.
        table = (
            pa.Table.from_batches(self._waiting)
            .combine_chunks()
            .replace_schema_metadata(self._schema.metadata)
        )
        path = self._folder / name
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        data = path.read_bytes()
        self.shards.append(
            Shard(
                file=name,
                split=self._split,
                rows=len(table),
                bytes=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
            )
        )
        self._waiting = []


def write_training_set(
    batches: Iterable[pa.RecordBatch],
    root: str,
    about: About,
    described: dict[str, Any],
    named: Callable[[str], str | None] = lambda digest: None,
) -> tuple[Manifest, str, bool]:
    """Writes files and manifest, then puts the folder in its place.

    Args:
        batches: Rows in order of (split, collection, image_id).
        root: Folder or `pyarrow.fs` URI; the training set goes to ``ROOT/DIGEST``.
        about: Kind, target, classes.
        described: Fields of the manifest that the rows do not tell.
        named: Digest to the name that these rows have already; it stands before the described one.

    Returns:
        The manifest that lies there now, its location, and whether these rows were frozen there before; then the
        files there are kept.
    """
    remote = "://" in root
    if not remote:
        os.makedirs(root, exist_ok=True)
    below = None if remote else root
    work = Path(tempfile.mkdtemp(prefix=".freezing-", dir=below))
    try:
        writer = ShardWriter(work, about)
        for batch in batches:
            writer.write(batch)
        digest = writer.close()
        described = described | {"name": named(digest) or described["name"]}
        manifest = Manifest(
            format=FORMAT,
            digest=digest,
            rows=writer.rows,
            kind=about.kind,
            target=about.target,
            classes=about.classes,
            histogram=writer.histogram,
            shards=writer.shards,
            **described,
        )
        (work / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n")
        location = f"{root.rstrip('/')}/{digest}"
        there = _upload(work, location, manifest) if remote else _move(work, Path(location))
        return (_renamed(location, manifest.name) if there else manifest), location, there
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _renamed(location: str, name: str) -> Manifest:
    """The manifest that was there before, under the name that the catalogue knows."""
    manifest = read_manifest(location)
    if manifest.name == name:
        return manifest
    manifest = manifest.model_copy(update={"name": name})
    text = manifest.model_dump_json(indent=2) + "\n"
    if "://" in location:
        files, base = fs.FileSystem.from_uri(location)
        with files.open_output_stream(f"{base}/{MANIFEST}") as sink:
            sink.write(text.encode())
    else:
        fresh = Path(location) / f".{MANIFEST}.new"
        fresh.write_text(text)
        fresh.replace(Path(location) / MANIFEST)
    return manifest


def _move(work: Path, target: Path) -> bool:
    if (target / MANIFEST).is_file() and _whole(target):
        return True
    # What is there is not whole: a damaged training set is replaced by the same rows.
    shutil.rmtree(target, ignore_errors=True)
    work.chmod(0o755)
    work.replace(target)
    return False


def _whole(target: Path) -> bool:
    from labelmill.errors import LabelmillError
    from labelmill.feed.training_set import TrainingSet

    try:
        TrainingSet.open(str(target))
    except LabelmillError:
        return False
    return True


def _upload(work: Path, location: str, manifest: Manifest) -> bool:
    files, base = fs.FileSystem.from_uri(location)
    if files.get_file_info(f"{base}/{MANIFEST}").type == fs.FileType.File:
        return True
    files.create_dir(base, recursive=True)
    for name in _last_the_manifest(manifest):
        with open(work / name, "rb") as source, files.open_output_stream(f"{base}/{name}") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
    return False


def _last_the_manifest(manifest: Manifest) -> Iterator[str]:
    for shard in manifest.shards:
        yield shard.file
    yield MANIFEST
