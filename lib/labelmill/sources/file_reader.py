"""Runs on executors: opens the files of a source below its root, and nowhere else."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable

from pyarrow import fs

from labelmill.domain.images.paths import path_of
from labelmill.errors import ImageError, InputError
from labelmill.sources.base import FILE_CAP

Reader = Callable[[str], bytes]
"""From uri to the file's bytes; raises OSError, or ImageError ``too_large``."""


def open_reader(root: str) -> Reader:
    """A reader of the files below `root`, a folder or a `pyarrow.fs` URI; empty: there is nothing to read.

    Raises:
        InputError: The folder is not visible from this worker.
    """
    if not root:
        return _refuse
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
    def __init__(self, root: str) -> None:
        self._root = os.fsencode(root) + b"/"

    def __call__(self, uri: str) -> bytes:
        # A bare descriptor: Python's file objects cost as much as the decoding of a small image.
        # Non-blocking: opening a pipe among the images would wait forever.
        file = os.open(self._root + path_of(uri), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
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
