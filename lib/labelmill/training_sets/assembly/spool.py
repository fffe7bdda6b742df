"""Bytes of many arrays on a disk, put down in any order by several threads, read by memory map."""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
from types import TracebackType

from labelmill.training_sets.disk_errors import room_in


class Spool:
    """A file without a name: it is gone with the process that made it, however that ends.

    Args:
        folder: Where there is room.

    Raises:
        InputError: From every method that writes: the disk is full.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        with room_in(folder):
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self._lock = threading.Lock()
        self._end = 0
        self._map: mmap.mmap | None = None

    def add(self, data: memoryview) -> int:
        """Puts bytes at the end; returns where they begin."""
        start = self.reserve(data.nbytes)
        self.put(start, data)
        return start

    def reserve(self, size: int) -> int:
        """Room for bytes that come in parts; returns where it begins."""
        with self._lock:
            start, self._end = self._end, self._end + size
        return start

    def put(self, start: int, data: memoryview) -> None:
        """Puts bytes down in room that was reserved."""
        rest = data.cast("B")
        with room_in(self._folder):
            while rest.nbytes:
                written = os.pwrite(self._file.fileno(), rest, start)
                rest, start = rest[written:], start + written

    def view(self) -> memoryview:
        """All bytes, as a map; call it when nothing is added any more."""
        if self._map is None and self._end:
            with room_in(self._folder):
                self._file.truncate(self._end)
                self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return memoryview(self._map if self._map is not None else b"")

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The map stays while arrays look at it and goes with the last of them.
        self._map = None
        self._file.close()
