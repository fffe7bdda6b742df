"""Arrays whose memory is used again.

Memory that comes fresh from the system is zeroed and mapped page by page as it is first written, which
costs more than writing it. Blocks of batches are large, alike and short-lived: what one leaves serves
the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

ALIGNED = 64
"""Bytes. TensorFlow takes arrays that begin at such an address without a copy."""

_LARGE = 1 << 20
"""Bytes from which on memory is kept; what is smaller numpy has ready itself."""

_KEPT = 64 << 20
"""Bytes that lie ready at most, all together, of a process."""

_ready: deque[npt.NDArray[np.uint8]] = deque()


class _Lent:
    """What an array and all its views stand on; gives the memory back when the last of them is gone."""

    def __init__(self, raw: npt.NDArray[np.uint8]) -> None:
        self._raw = raw
        self.__array_interface__ = raw.__array_interface__

    def __del__(self) -> None:
        # In any thread, also within `_taken`: a deque needs no lock.
        if sum(raw.nbytes for raw in tuple(_ready)) + self._raw.nbytes <= _KEPT:
            _ready.append(self._raw)


def empty(shape: Sequence[int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An array not yet filled that begins at a multiple of `ALIGNED` bytes."""
    kind = np.dtype(dtype)
    if kind.hasobject:  # references are no bytes; nobody takes them over
        return np.empty(shape, kind)
    size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    raw = np.empty(size + ALIGNED, np.uint8) if size < _LARGE else np.asarray(_Lent(_taken(size)))
    start = -raw.ctypes.data % ALIGNED
    return raw[start : start + size].view(kind).reshape(shape)


def _taken(size: int) -> npt.NDArray[np.uint8]:
    """Memory for so many bytes, and for beginning where it is aligned."""
    for _ in range(len(_ready)):
        try:
            raw = _ready.popleft()
        except IndexError:  # another thread was quicker
            break
        # Far too large is not taken either: it is somebody else's size.
        if size + ALIGNED <= raw.nbytes <= 2 * size:
            return raw
        _ready.append(raw)
    return np.empty(size + ALIGNED, np.uint8)
