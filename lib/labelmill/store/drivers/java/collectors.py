"""Keeps the garbage collectors of Python and Java from starting each other.

jpype follows each of Java's collections, also the small ones that bulk reads cause several times a
second, with a full one of Python's, which stops all threads for 20 ms and more; and where Python's
memory has grown, it follows Python's with a full one of Java's. That frees cycles that go through
both languages. Ours need none of it: what Python holds of Java is in no cycle.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from threading import RLock
from typing import Any


def separate_collectors() -> None:
    """Separates the collectors for good; only for worker processes that we start."""
    _remove_callbacks()


@contextlib.contextmanager
def separated_collectors() -> Iterator[None]:
    """Separates the collectors while such a block runs in any thread, then restores jpype's callbacks."""
    global _blocks
    with _lock:
        _blocks += 1
        if _blocks == 1:
            _removed.extend(_remove_callbacks())
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if not _blocks:
                for position, callback in _removed:
                    gc.callbacks.insert(position, callback)
                _removed.clear()


# Reentrant: an abandoned scan leaves its block in whatever thread collects it, even one that is just
# entering or leaving another block.
_lock = RLock()
_blocks = 0
_removed: list[tuple[int, Any]] = []
"""Positions in `gc.callbacks`, and the callbacks, while blocks run."""


def _remove_callbacks() -> list[tuple[int, Any]]:
    """Removes jpype's callbacks from Python's collector; returns them with their positions."""
    jpype_module = sys.modules["_jpype"]
    found = [
        (position, callback)
        for position, callback in enumerate(gc.callbacks)
        if getattr(callback, "__self__", None) is jpype_module
    ]
    for _, callback in found:
        gc.callbacks.remove(callback)
        # jpype ignores Java's collections while one of Python's runs. It learns of the end with the
        # first collection after its callback is restored.
        callback("start", {})
    return found
