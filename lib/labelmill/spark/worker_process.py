"""Process-wide settings of Python workers that Spark starts for us; never of a user's process.

Spark calls `importlib.invalidate_caches` before every task, because a job may have added files. Python
up to 3.11 then reads the directory of every archive on the path, in Python code, and Spark puts its own
jar of 5,000 files there: 25 to 50 ms per task.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from zipimport import zipimporter

_TUNED: list[int] = []
"""Id of the process that was tuned."""


def tune(separate_collectors: Callable[[], None]) -> None:
    """Makes this worker's tasks cheaper, once; call it when its client is open.

    A full collection takes 40 ms, mostly over modules and the JVM's bridge, and Spark asks for one
    after every task. Objects that exist now stay for the life of the process.

    Args:
        separate_collectors: `labelmill.store.connect.separate_collectors`, which this package may
            not import.
    """
    if os.getpid() in _TUNED:
        return
    _TUNED[:] = [os.getpid()]
    separate_collectors()
    gc.collect()
    gc.freeze()
    keep_unchanged()


def keep_unchanged() -> None:
    """Makes `importlib.invalidate_caches` skip archives that have not changed, in this process.

    It applies to the archives that are on the path now; a second call does nothing to them.
    """
    for finder in list(sys.path_importer_cache.values()):
        if isinstance(finder, zipimporter) and _NAME not in vars(finder):
            vars(finder)[_NAME] = _WhenChanged(finder)


_NAME = "invalidate_caches"


class _WhenChanged:
    def __init__(self, finder: zipimporter) -> None:
        self._finder = finder
        # The state in which it was last read is unknown: the next call always reads it.
        self._seen: tuple[int, ...] | None = None

    def __call__(self) -> None:
        try:
            status = os.stat(self._finder.archive)
            found = (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError:
            found = None
        if found is None or found != self._seen:
            self._seen = found
            type(self._finder).invalidate_caches(self._finder)
