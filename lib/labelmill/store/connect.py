"""Opens a row client: the only module that chooses a driver."""

from __future__ import annotations

import os
from collections.abc import Callable

from labelmill.errors import StoreError
from labelmill.settings import Settings
from labelmill.store.client import RowClient


def open_client(settings: Settings) -> RowClient:
    """Connects to Kudu with the driver that ``settings.row_driver`` names.

    ``auto`` means ``native`` if kudu-python can be imported, else ``java``.

    Raises:
        StoreUnreachable: No master answered within ``settings.timeout_seconds``.
        StoreError: What the driver needs (kudu-python; Java and Kudu's jar) is missing.
    """
    return _opener(settings)(settings)


def shared_client(settings: Settings) -> RowClient:
    """Returns this process's client for these settings, opened once. Do not close it.

    For executor workers, which run many tasks: one client per task would overload the masters. This is
    the only per-process cache of connections; a forked child opens its own.

    Raises:
        StoreUnreachable: No master answered in time.
        StoreError: See `open_client`.
    """
    key = (os.getpid(), settings.masters(), settings.table_prefix, settings.row_driver)
    if key not in _SHARED:
        _SHARED[key] = open_client(settings)
    return _SHARED[key]


def separate_collectors() -> None:
    """Takes a driver's hooks out of Python's garbage collector, for good.

    Process-wide: only for `labelmill.spark.worker_process.tune`, in workers that we start.
    """
    from labelmill.store.drivers.java import collectors

    collectors.separate_collectors()


_SHARED: dict[tuple[int, str, str, str], RowClient] = {}


def _opener(settings: Settings) -> Callable[[Settings], RowClient]:
    from labelmill.store.drivers.java import client as java
    from labelmill.store.drivers.native import client as native

    missing = native.missing()
    if settings.row_driver == "native" and missing:
        raise StoreError(
            f"row_driver is 'native', but kudu-python cannot be used: {missing}. Install "
            "labelmill[kudu-python] (it needs Kudu's C++ client), or set row_driver to 'java'."
        )
    if settings.row_driver == "java" or missing:
        return java.JavaClient
    return native.NativeClient
