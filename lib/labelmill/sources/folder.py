"""A folder tree of image files that workers can open: local, or shared by all of them.

The order is that of the paths. Held in memory are the names of the folders on the way down, never all
names of the tree.

Left out, and counted as skipped: files whose name has no ending of an image, hidden files and folders
(``.DS_Store``, ``._x.png``), and folders behind symbolic links.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice

from labelmill.domain.codecs import IMAGE_ENDINGS
from labelmill.domain.images.paths import path_of, uri_of
from labelmill.sources.base import WAVE_FILES, SourceOptions, Wave, WaveBuilder
from labelmill.sources.file_filter import NOT_LISTED, leave_out, why_left_out

_AT_ONCE, _SAMPLE = 4096, 16


class FolderHeap:
    """See `labelmill.sources.base.Heap`. Workers find out the sizes themselves."""

    def __init__(self, options: SourceOptions) -> None:
        self.name = uri_of(options.source)
        self.root = os.path.abspath(options.source)
        self.skipped: Counter[str] = Counter()
        self._paths = islice(_walk(self.root, self.skipped), options.limit)
        # What fits one wave need not be looked through twice to be counted.
        self._first = list(islice(self._paths, WAVE_FILES))
        found = len(self._first)
        if found == WAVE_FILES:
            found = min(_count(self.root), options.limit or sys.maxsize)
        self.total: int | None = found

    def waves(self) -> Iterator[Wave]:
        """See `Heap.waves`."""
        builder = WaveBuilder()
        paths, self._first = chain(self._first, self._paths), []
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
        skipped[f"{NOT_LISTED} ({error.strerror})"] += 1
        return paths
    with found:
        for entry in found:
            if entry.name.startswith("."):
                skipped["hidden"] += 1
            elif entry.is_dir(follow_symlinks=False):
                # With its separator a folder sorts among files as its paths do.
                paths.append(f"{below}{entry.name}/")
            elif entry.is_symlink() and _is_folder(entry):
                skipped["folder behind a link"] += 1
            elif entry.name.lower().endswith(IMAGE_ENDINGS):
                paths.append(below + entry.name)
            else:
                leave_out(skipped, why_left_out(uri_of(entry.name)))
    paths.sort(reverse=True)
    return paths


def _is_folder(link: os.DirEntry[str]) -> bool:
    try:
        return link.is_dir()
    except OSError:  # a loop, or a place that may not be looked at: the worker will say so
        return False


def _count(root: str) -> int:
    """Number of images of the tree, for estimates."""
    number, waiting = 0, [root]
    while waiting:
        try:
            found = os.scandir(waiting.pop())
        except OSError:
            continue  # told when it is listed
        with found:
            for entry in found:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.name.lower().endswith(IMAGE_ENDINGS):
                    number += not (entry.is_symlink() and _is_folder(entry))
    return number
