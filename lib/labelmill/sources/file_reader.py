"""Runs on executors: opens the files of a source below its root, and nowhere else."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Callable

from pyarrow import fs

from labelmill.domain.images.paths import path_of, uri_of
from labelmill.errors import ImageError, InputError
from labelmill.sources.base import FILE_CAP

LINKED = (
    "a symbolic link, or behind one; links are not followed, because they may lead out of the folder "
    "that was given. Put files in their place: cp -rL FOLDER COPY"
)

_NEVER = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
_FOLDER = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY

Reader = Callable[[str], bytes]
"""From uri to the file's bytes; raises OSError, or ImageError ``too_large`` or ``linked``."""


def open_reader(root: str) -> Reader:
    """A reader of the files below `root`, a folder or a `pyarrow.fs` URI; empty: there is nothing to read.

    Raises:
        InputError: The folder is not visible from this worker.
    """
    if not root:
        return _refuse
    if root.startswith("file://"):
        root = fs.FileSystem.from_uri(root)[1]
    if "://" in root:
        return _UriReader(root)
    if not os.path.isdir(root):
        raise InputError(
            f"the folder {root} is not visible on worker {socket.gethostname()}; ingest from a "
            "shared folder or a URI, or give an archive, which the driver reads"
        )
    return _FolderReader(root)


def too_large(size: int, cap: int = FILE_CAP, advice: str = "") -> ImageError:
    """The error of a file above `cap` bytes."""
    return ImageError("too_large", f"{size:,} bytes; files up to {cap:,} are read{advice}")


class _FolderReader:
    """Opens files below a folder; no link on the way is followed, so nothing outside of it is read."""

    def __init__(self, root: str) -> None:
        self._root = os.open(root, _FOLDER)
        # Files come in the order of their paths: mostly from the folder of the one before.
        self._parent, self._folder = b"", self._root

    def __call__(self, uri: str) -> bytes:
        parent, _, name = path_of(uri).rpartition(b"/")
        try:
            if parent != self._parent:
                self._open_folder(parent)
            # A bare descriptor: Python's file objects cost as much as the decoding of a small image.
            # Non-blocking: opening a pipe among the images would wait forever.
            file = os.open(name, os.O_RDONLY | _NEVER, dir_fd=self._folder)
        except OSError as error:
            if self._is_linked(uri):
                raise ImageError("linked", f"{LINKED}: {uri[:200]}") from None
            if isinstance(error, FileNotFoundError) and (near := self._near(path_of(uri))):
                raise ImageError(
                    "unreadable",
                    f"no such file; {uri_of(os.fsdecode(near))[:200]} is there: is it meant?",
                ) from None
            raise error
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise OSError("not a regular file")
            size = status.st_size
            if size > FILE_CAP:
                raise too_large(size)
            data = os.read(file, size + 1)
            if len(data) != size:
                # A short read, a file that grows, or a file that reports no size (as in /proc).
                data = _read_rest(file, data)
            return data
        finally:
            os.close(file)

    def _open_folder(self, parent: bytes) -> None:
        folder = self._root
        try:
            for name in filter(_is_name, parent.split(b"/")):
                below = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                if folder != self._root:
                    os.close(folder)
                folder = below
        except OSError:
            if folder != self._root:
                os.close(folder)
            raise
        if self._folder != self._root:
            os.close(self._folder)
        self._parent, self._folder = parent, folder

    def _is_linked(self, uri: str) -> bool:
        """Whether a part of a path is a link; asked only where it could not be opened."""
        folder, names = self._root, path_of(uri).split(b"/")
        for end in range(1, len(names) + 1):
            with contextlib.suppress(OSError):
                found = os.stat(b"/".join(names[:end]), dir_fd=folder, follow_symlinks=False)
                if stat.S_ISLNK(found.st_mode):
                    return True
        return False

    def _near(self, path: bytes) -> bytes | None:
        """A file that a missing path may mean: below fewer folders, or with other case in its ending."""
        names = [name for name in path.split(b"/") if name not in (b"", b".")]
        for start in range(len(names)):
            whole = b"/".join(names[start:])
            stem, dot, ending = whole.rpartition(b".")
            for candidate in (whole, stem + dot + ending.lower(), stem + dot + ending.upper()):
                with contextlib.suppress(OSError):
                    found = os.stat(candidate, dir_fd=self._root, follow_symlinks=False)
                    if stat.S_ISREG(found.st_mode):
                        return candidate
        return None

    def __del__(self) -> None:
        for folder in {self._root, self._folder}:
            with contextlib.suppress(OSError):
                os.close(folder)


def _is_name(part: bytes) -> bool:
    return part not in (b"", b".")


def _read_rest(file: int, data: bytes) -> bytes:
    parts, length = [data], len(data)
    while part := os.read(file, 1 << 20):
        parts.append(part)
        length += len(part)
        if length > FILE_CAP:
            raise too_large(length)
    return b"".join(parts)


class _UriReader:
    def __init__(self, root: str) -> None:
        self._files, self._base = fs.FileSystem.from_uri(root)

    def __call__(self, uri: str) -> bytes:
        name = os.fsdecode(path_of(uri))
        with self._files.open_input_file(f"{self._base}/{name}") as file:
            size = file.size()
            if size > FILE_CAP:
                raise too_large(size)
            return bytes(file.read())


def _refuse(uri: str) -> bytes:
    raise OSError(f"{uri} came without its bytes")
