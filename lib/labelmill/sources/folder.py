"""A folder tree of image files that workers can open: local, or shared by all of them.

Files come in the order of their paths. Held in memory are the names in the folders on the way down, never
all names of the tree.

Left out, and counted as skipped: files whose name does not end like an image's, hidden files and folders
(``.DS_Store``, ``._x.png``), folders of operating systems (``__MACOSX``, ``@eaDir``), and folders behind
symbolic links.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice

from labelmill.domain.codecs import IMAGE_ENDINGS
from labelmill.domain.images.folders import FolderScan
from labelmill.domain.images.paths import path_of, uri_of
from labelmill.sources.base import WAVE_FILES, SourceOptions, Wave, WaveBuilder
from labelmill.sources.file_filter import (
    NOT_LISTED,
    SYSTEM,
    SYSTEM_FOLDERS,
    leave_out,
    why_left_out,
)

_NAMES_AT_ONCE, _SIZES_SAMPLED = 4096, 16


class FolderSource:
    """A folder; see `labelmill.sources.base.ImageSource`. Workers look up the sizes themselves."""

    default_labels = "folder"

    def __init__(self, options: SourceOptions) -> None:
        self.name = uri_of(options.source)
        self.root = os.path.abspath(options.source)
        self.skipped: Counter[str] = Counter()
        self._paths = islice(_walk(self.root, self.skipped), options.limit)
        # A folder that fits in one wave need not be listed twice to be counted.
        self._first = list(islice(self._paths, WAVE_FILES))
        found, scan = len(self._first), FolderScan()
        for path in self._first:
            scan.add(uri_of(path))
        if found == WAVE_FILES:
            found = min(_count(self.root, scan), options.limit or sys.maxsize)
        self.total: int | None = found
        self.layout, self.notes = scan.layout(), list[str]()

    def waves(self) -> Iterator[Wave]:
        """See `ImageSource.waves`."""
        builder = WaveBuilder()
        paths, self._first = chain(self._first, self._paths), []
        while names := list(islice(paths, min(_NAMES_AT_ONCE, builder.room))):
            builder.add_named(list(map(uri_of, names)))
            if builder.is_full():
                yield self._wave(builder)
        if builder.count:
            yield self._wave(builder)

    def _wave(self, builder: WaveBuilder) -> Wave:
        """The wave, with its bytes estimated from a few of its files."""
        sizes = []
        uris = builder.rows["uri"]
        for uri in uris[:: max(1, len(uris) // _SIZES_SAMPLED)]:
            with contextlib.suppress(OSError):
                sizes.append(os.stat(os.fsencode(self.root) + b"/" + path_of(uri)).st_size)
        wave = builder.take()
        wave.bytes = sum(sizes) * len(uris) // max(1, len(sizes))
        return wave


def _walk(root: str, skipped: Counter[str]) -> Iterator[str]:
    """Paths of images below `root`, in the order of whole paths."""
    # In reverse order, so that the next one is popped from the end.
    waiting = _list_folder(root, "", skipped)
    while waiting:
        path = waiting.pop()
        if path.endswith("/"):
            waiting += _list_folder(root, path, skipped)
        else:
            yield path


def _list_folder(root: str, below: str, skipped: Counter[str]) -> list[str]:
    """Images and folders (with a final ``/``) in one folder, in reverse order."""
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
            elif entry.name.lower() in SYSTEM_FOLDERS and entry.is_dir(follow_symlinks=False):
                skipped[SYSTEM] += 1
            elif entry.is_dir(follow_symlinks=False):
                # With its separator a folder sorts among the files as its paths do.
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
    except OSError:  # a loop, or no permission: the worker will say so
        return False


def _count(root: str, scan: FolderScan) -> int:
    """Number of images of the tree, for estimates; shows `scan` the folders that have one."""
    number, waiting = 0, [""]
    while waiting:
        below = waiting.pop()
        try:
            found = os.scandir(os.path.join(root, below))
        except OSError:
            continue  # reported when it is listed
        before = number
        with found:
            for entry in found:
                if entry.name.startswith(".") or entry.name.lower() in SYSTEM_FOLDERS:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{below}{entry.name}/")
                elif entry.name.lower().endswith(IMAGE_ENDINGS):
                    number += not (entry.is_symlink() and _is_folder(entry))
        if number > before:
            scan.add(uri_of(below))
    return number
