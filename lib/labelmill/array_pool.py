"""Arrays whose memory is reused.

Fresh memory from the system is zeroed and mapped page by page at the first write, which costs more than
the write itself. Blocks of batches are large, of similar size and short-lived, so the memory of one
serves the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

ALIGNED = 64
"""Alignment in bytes. TensorFlow uses arrays that begin at a multiple of it without copying."""

_LARGE = 1 << 20
"""Bytes above which memory is kept; numpy keeps smaller memory itself."""

_KEPT = 64 << 20
"""Most bytes that a process keeps for reuse."""

_ready: deque[npt.NDArray[np.uint8]] = deque()


class _Lent:
    """Owner of the memory of an array and its views; returns it to the pool when the last one is gone."""

    def __init__(self, raw: npt.NDArray[np.uint8]) -> None:
        self._raw = raw
        self.__array_interface__ = raw.__array_interface__

    def __del__(self) -> None:
        # In any thread, even within `_allocate`: a deque needs no lock.
        if sum(raw.nbytes for raw in tuple(_ready)) + self._raw.nbytes <= _KEPT:
            _ready.append(self._raw)


def empty(shape: Sequence[int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An uninitialised array that begins at a multiple of `ALIGNED` bytes.

    Example:
        >>> empty((3, 5), "float32").ctypes.data % ALIGNED
        0
    """
    kind = np.dtype(dtype)
    if kind.hasobject:  # references; TensorFlow copies them anyway
        return np.empty(shape, kind)
    size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    raw = (
        np.empty(size + ALIGNED, np.uint8) if size < _LARGE else np.asarray(_Lent(_allocate(size)))
    )
    start = -raw.ctypes.data % ALIGNED
    return raw[start : start + size].view(kind).reshape(shape)


def _allocate(size: int) -> npt.NDArray[np.uint8]:
    """Memory for an array of that many bytes at an aligned address, from the pool or new."""
    for _ in range(len(_ready)):
        try:
            raw = _ready.popleft()
        except IndexError:  # another thread was faster
            break
        # Much larger memory is left for arrays of that size.
        if size + ALIGNED <= raw.nbytes <= 2 * size:
            return raw
        _ready.append(raw)
    return np.empty(size + ALIGNED, np.uint8)
