"""A folder tree of image files that workers can open: local, or shared by all of them.

The order is that of the paths. Held in memory are the names of the folders on the way down, never all
names of the tree.

Left out, and counted as skipped: files whose name has no ending of an image, hidden files and folders
(``.DS_Store``, ``._x.png``), and folders behind symbolic links.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from labelmill.domain.codecs import IMAGE_ENDINGS
from labelmill.domain.source import path_of, uri_of
from labelmill.pipelines.sources.heap import SourceOptions, Wave, WaveBuilder

_AT_ONCE, _SAMPLE = 4096, 16


class FolderHeap:
    """See `labelmill.pipelines.sources.heap.Heap`. Workers find out the sizes themselves."""

    def __init__(self, options: SourceOptions) -> None:
        self.name = options.source
        self.root = os.path.abspath(options.source)
        self.skipped: Counter[str] = Counter()
        self._limit = options.limit
        found = _count(self.root)
        self.total: int | None = found if self._limit is None else min(found, self._limit)

    def waves(self) -> Iterator[Wave]:
        """See `Heap.waves`."""
        builder = WaveBuilder()
        paths = islice(_walk(self.root, self.skipped), self._limit)
        while some := list(islice(paths, min(_AT_ONCE, builder.room))):
            builder.add_named(list(map(uri_of, some)))
            if builder.is_full():
                yield self._wave(builder)
        if builder.count:
            yield self._wave(builder)

    def _wave(self, builder: WaveBuilder) -> Wave:
        """The wave, with a guess at its bytes from a few of its files."""
        sizes = []
        uris = builder.rows["uri"]
        for uri in uris[:: max(1, len(uris) // _SAMPLE)]:
            with contextlib.suppress(OSError):
                sizes.append(os.stat(os.fsencode(self.root) + b"/" + path_of(uri)).st_size)
        wave = builder.take()
        wave.bytes = sum(sizes) * len(uris) // max(1, len(sizes))
        return wave


def why_left_out(uri: str, endings: tuple[str, ...] = IMAGE_ENDINGS) -> str:
    """Why a file of this name is no image to take; empty when it is one."""
    if any(part.startswith(".") and part not in (".", "..") for part in uri.split("/")):
        return "hidden"
    name = uri.rsplit("/", 1)[-1].lower()
    if not name.endswith(endings):
        return f"not named like an image: {os.path.splitext(name)[1] or 'no ending'}"
    return ""


def _walk(root: str, skipped: Counter[str]) -> Iterator[str]:
    """Paths of images below `root`, in the order of whole paths."""
    # From the last to the first, so that the next one is taken from the end.
    waiting = _listed(root, "", skipped)
    while waiting:
        path = waiting.pop()
        if path.endswith("/"):
            waiting += _listed(root, path, skipped)
        else:
            yield path


def _listed(root: str, below: str, skipped: Counter[str]) -> list[str]:
    """Images and folders (with ``/`` at their end) of one folder, the last first."""
    paths: list[str] = []
    try:
        found = os.scandir(os.path.join(root, below))
    except OSError as error:
        skipped[f"folder that cannot be listed ({error.strerror})"] += 1
        return paths
    with found:
        for entry in found:
            if entry.name.startswith("."):
                skipped["hidden"] += 1
            elif entry.is_dir(follow_symlinks=False):
                # With its separator a folder sorts among files as its paths do.
                paths.append(f"{below}{entry.name}/")
            elif entry.is_symlink() and entry.is_dir():
                skipped["folder behind a link"] += 1
            elif entry.name.lower().endswith(IMAGE_ENDINGS):
                paths.append(below + entry.name)
            else:
                skipped[why_left_out(entry.name)] += 1
    paths.sort(reverse=True)
    return paths


def _count(root: str) -> int:
    """Number of images of the tree, for estimates."""
    number, waiting = 0, [root]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as found:
            for entry in found:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif not entry.is_dir() and entry.name.lower().endswith(IMAGE_ENDINGS):
                    number += 1
    return number
