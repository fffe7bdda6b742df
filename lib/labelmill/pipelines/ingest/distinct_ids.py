"""The number of different images in a source, counted with bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import IO

import numpy as np
import numpy.typing as npt

_PARTS = 64
_ID_BYTES = 32
_HELD_BYTES = 64 << 10
"""Bytes of each part that are kept in memory before they go to disk."""


def with_shared_prefix(prefixes: npt.NDArray[np.uint64]) -> npt.NDArray[np.intp]:
    """Positions of ids that may be duplicates; the first eight bytes tell nearly all ids apart.

    Args:
        prefixes: ``(N,)`` first eight bytes of each id.

    Returns:
        Positions of the ids whose prefix occurs more than once, ascending.
    """
    order = np.argsort(prefixes)
    ordered = prefixes[order]
    equal = ordered[1:] == ordered[:-1]
    shared = np.zeros(len(order), np.bool_)
    shared[1:] |= equal
    shared[:-1] |= equal
    return np.sort(order[shared])


class DistinctIds:
    """Ids in files of the driver's temporary folder, partitioned by their first bits.

    Ids are hashes, so the parts are of equal size, and one part at a time is counted: 32 bytes per
    image on disk, a 64th of that in memory. A context manager: the files are removed with it.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._files: list[IO[bytes]] = []
        self._held: list[list[bytes]] = [[] for _ in range(_PARTS)]
        self._bytes = [0] * _PARTS

    def add(self, ids: bytes) -> None:
        """Adds ids.

        Args:
            ids: 32 bytes each, one after the other; zeros stand for no id.

        Raises:
            OSError: The temporary folder is full.
        """
        packed = np.frombuffer(ids, np.uint8).reshape(-1, _ID_BYTES)
        packed = packed[packed.any(axis=1)]
        part_of = packed[:, 0] >> 2
        order = np.argsort(part_of, kind="stable")
        bounds = np.searchsorted(part_of[order], np.arange(_PARTS + 1))
        for part in range(_PARTS):
            if bounds[part] < bounds[part + 1]:
                self._hold(part, packed[order[bounds[part] : bounds[part + 1]]].tobytes())

    def count(self) -> int:
        """Number of different ids so far.

        Raises:
            OSError: The temporary folder cannot be read.
        """
        total = 0
        for packed in self.parts():
            unclear = packed[with_shared_prefix(packed["a"])]
            total += len(packed) - len(unclear) + len(np.unique(unclear))
        return total

    def parts(self) -> Iterator[npt.NDArray[np.void]]:
        """The ids, a part at a time: ``(N,)`` of 32 bytes, repeated ones too.

        Raises:
            OSError: The temporary folder cannot be read.
        """
        for part in range(_PARTS):
            data = b"".join(self._held[part])
            if self._files:
                self._files[part].seek(0)
                data = self._files[part].read() + data
                self._files[part].seek(0, 2)
            # As four numbers: sorting them is much faster than sorting 32-byte strings.
            yield np.frombuffer(data, [("a", "<u8"), ("b", "<u8"), ("c", "<u8"), ("d", "<u8")])

    def __enter__(self) -> DistinctIds:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _hold(self, part: int, ids: bytes) -> None:
        self._held[part].append(ids)
        self._bytes[part] += len(ids)
        if self._bytes[part] >= _HELD_BYTES:
            if not self._files:
                enter = self._stack.enter_context
                self._files = [enter(tempfile.TemporaryFile()) for _ in range(_PARTS)]  # noqa: SIM115
            self._files[part].write(b"".join(self._held[part]))
            self._held[part], self._bytes[part] = [], 0
