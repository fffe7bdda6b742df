"""How many different images a heap has, counted with bounded memory."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from types import TracebackType
from typing import IO

import numpy as np
import numpy.typing as npt

_PARTS = 64
_ID_BYTES = 32
_HELD_BYTES = 64 << 10
"""Of each part, before it goes to disk."""


def sharing_a_beginning(beginnings: npt.NDArray[np.uint64]) -> npt.NDArray[np.intp]:
    """Which ids may be there more than once; nearly all are told apart by their first eight bytes.

    Args:
        beginnings: ``(N,)`` first eight bytes of each id.

    Returns:
        Places of those whose beginning is there more than once, ascending.
    """
    order = np.argsort(beginnings)
    ordered = beginnings[order]
    equal = ordered[1:] == ordered[:-1]
    shared = np.zeros(len(order), np.bool_)
    shared[1:] |= equal
    shared[:-1] |= equal
    return np.sort(order[shared])


class DistinctIds:
    """Ids in files of the driver's temporary folder, parted by their first bits.

    Ids are hashes, so the parts are of equal size, and one part at a time is counted: 32 bytes an
    image on disk, a 64th of that in memory. A context manager: the files go with it.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._files: list[IO[bytes]] = []
        self._held: list[list[bytes]] = [[] for _ in range(_PARTS)]
        self._bytes = [0] * _PARTS

    def add(self, ids: bytes) -> None:
        """Adds ids.

        Args:
            ids: 32 bytes each, one after the other; zeros stand for none.

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
        for part in range(_PARTS):
            data = b"".join(self._held[part])
            if self._files:
                self._files[part].seek(0)
                data = self._files[part].read() + data
                self._files[part].seek(0, 2)
            # In four numbers: sorting those is far quicker than sorting 32-byte strings.
            packed = np.frombuffer(data, [("a", "<u8"), ("b", "<u8"), ("c", "<u8"), ("d", "<u8")])
            unsure = packed[sharing_a_beginning(packed["a"])]
            total += len(packed) - len(unsure) + len(np.unique(unsure))
        return total

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
