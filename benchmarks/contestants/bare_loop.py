"""The bare loop: read, decode with Pillow, SHA-256. What any ingest must do at the least.

Nothing is kept, checked, labelled or written. It runs in as many processes as there are cores, started
before the clock; work goes to them in chunks, numbers come back.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import multiprocessing
import os
import tarfile
from collections import deque
from collections.abc import Iterable, Iterator
from multiprocessing.pool import AsyncResult, Pool
from pathlib import Path
from typing import TypeVar

from PIL import Image

from benchmarks.data.sources import SourceFiles
from benchmarks.measure.timing import Contestant

CHUNK = 256

Item = TypeVar("Item")


def take(data: bytes) -> None:
    """Decodes one PNG file and hashes its bytes."""
    Image.open(io.BytesIO(data), formats=("PNG",)).load()
    hashlib.sha256(data).hexdigest()


def take_files(paths: list[str]) -> int:
    """Runs in a process of the pool."""
    for path in paths:
        with open(path, "rb") as file:
            take(file.read())
    return len(paths)


def take_contents(contents: list[bytes]) -> int:
    """Runs in a process of the pool."""
    for data in contents:
        take(data)
    return len(contents)


@contextlib.contextmanager
def processes(count: int) -> Iterator[Pool]:
    """A pool that is there and has its imports done."""
    with multiprocessing.get_context("spawn").Pool(count) as pool:
        # Every process must have come up; a fast one could take all of fewer, shorter tasks.
        pool.map(take_files, [[]] * (8 * count), chunksize=1)
        yield pool


def folder_loop(pool: Pool, source: SourceFiles, cores: int, chunk: int = CHUNK) -> Contestant:
    """Over the files of a folder, `chunk` files at a time."""
    return Contestant(
        "bare loop",
        lambda _: over_folder(pool, source.path, chunk),
        f"lists the folder; read, Pillow decode, SHA-256 in {cores} processes that wait already",
    )


def archive_loops(pool: Pool, source: SourceFiles, cores: int) -> list[Contestant]:
    """Over the members of a .tar.gz: in one process, and with a pool behind the one that reads."""
    return [
        Contestant(
            "bare loop, one process",
            lambda _: sum(take_contents([data]) for data in _contents(source.path)),
            "tarfile as a stream, Pillow decode, SHA-256",
        ),
        Contestant(
            "bare loop, reader and pool",
            lambda _: over_archive(pool, source.path),
            f"one process reads with tarfile as a stream and hands {CHUNK} files at a time to {cores} "
            "processes that decode and hash",
        ),
    ]


def over_folder(pool: Pool, folder: Path, chunk: int = CHUNK) -> int:
    """Lists the folder and takes every file in it; how many."""
    paths = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]
    return sum(pool.imap_unordered(take_files, _chunks(paths, chunk)))


def over_archive(pool: Pool, archive: Path, chunk: int = CHUNK) -> int:
    """This process reads the archive as a stream and hands chunks to the pool; how many files."""
    waiting: deque[AsyncResult[int]] = deque()
    taken = 0
    for contents in _chunks(_contents(archive), chunk):
        waiting.append(pool.apply_async(take_contents, (contents,)))
        # Not more on the way than keeps everybody busy.
        while len(waiting) > 4 * multiprocessing.cpu_count():
            taken += waiting.popleft().get()
    return taken + sum(one.get() for one in waiting)


def _contents(archive: Path) -> Iterator[bytes]:
    with tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            opened = tar.extractfile(member) if member.isfile() else None
            if opened is not None:
                yield opened.read()


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
