"""Bytes of many arrays on disk: written in any order by several threads, read by memory map."""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
from types import TracebackType

from labelmill.training_sets.disk_errors import room_in


class Spool:
    """An unnamed temporary file; it disappears with its process, however that ends.

    Args:
        folder: Where the file is created.

    Raises:
        InputError: The disk is full; from every method that writes.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        with room_in(folder):
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self._lock = threading.Lock()
        self._end = 0
        self._map: mmap.mmap | None = None

    def add(self, data: memoryview) -> int:
        """Appends bytes; returns their offset."""
        start = self.reserve(data.nbytes)
        self.put(start, data)
        return start

    def reserve(self, size: int) -> int:
        """Reserves room for bytes that arrive in parts; returns its offset."""
        with self._lock:
            start, self._end = self._end, self._end + size
        return start

    def put(self, start: int, data: memoryview) -> None:
        """Writes bytes into reserved room."""
        rest = data.cast("B")
        with room_in(self._folder):
            while rest.nbytes:
                written = os.pwrite(self._file.fileno(), rest, start)
                rest, start = rest[written:], start + written

    def view(self) -> memoryview:
        """All bytes, memory-mapped; call it when writing is done."""
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
        # Arrays that view the map keep it alive.
        self._map = None
        self._file.close()
