"""Which images of a collection exist: 32 bytes each, so that millions fit the driver."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


class KnownIds:
    """A growing set of image ids.

    Args:
        ids: 64 hex digits each.
    """

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._ids = np.unique(_packed(ids))

    def __len__(self) -> int:
        return len(self._ids)

    def among(self, ids: Iterable[str]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which of `ids` are known; shape ``(N,)``, bool."""
        wanted = _packed(ids)
        if not len(self._ids):
            return np.zeros(len(wanted), bool)
        at = np.minimum(np.searchsorted(self._ids, wanted), len(self._ids) - 1)
        return np.asarray(self._ids[at] == wanted)

    def add(self, ids: Iterable[str]) -> None:
        """Adds ids; known ones are fine."""
        self._ids = np.union1d(self._ids, _packed(ids))


def _packed(ids: Iterable[str]) -> np.ndarray[tuple[int], np.dtype[np.bytes_]]:
    # numpy drops zero bytes at the end of S32 on reading, but compares as if they were there, so
    # different ids stay different.
    return np.frombuffer(bytes.fromhex("".join(ids)), dtype="S32")
