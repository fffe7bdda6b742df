"""Verifies that the files of a training set are what was frozen."""

from __future__ import annotations

import hashlib
import mmap
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from labelmill.errors import ArtifactError
from labelmill.feed.files.manifest import Manifest, Shard

_THREADS = 8


def verify(folder: str, manifest: Manifest, contents: bool = True) -> None:
    """Verifies every shard in a local folder, on all cores.

    Args:
        folder: Where the files are.
        manifest: What they must be.
        contents: Hash the files. False: check only sizes, which finds truncated files.

    Raises:
        ArtifactError: A shard is missing or is not what was frozen; names it.
    """

    def check(shard: Shard) -> str | None:
        return _wrong(Path(folder) / shard.file, shard, contents)

    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as threads:
        for shard, wrong in zip(manifest.shards, threads.map(check, manifest.shards), strict=True):
            if wrong:
                raise ArtifactError(
                    f"{shard.file} of training set {manifest.digest[:12]} in {folder} {wrong}; "
                    "delete the folder and freeze the slice again"
                )


def _wrong(path: Path, shard: Shard, contents: bool) -> str | None:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != shard.bytes:
                return f"has {size:,} bytes, expected {shard.bytes:,}"
            if not contents:
                return None
            # A memory map is hashed from the page cache without a copy, while other threads run.
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                found = hashlib.sha256(mapped).hexdigest()
    except FileNotFoundError:
        return "is missing"
    if found != shard.sha256:
        return f"has SHA-256 {found[:12]}…, expected {shard.sha256[:12]}…"
    return None
