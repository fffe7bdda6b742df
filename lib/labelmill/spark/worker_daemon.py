"""Spark's daemon of Python workers on one machine: it loads modules once, and workers are its forks.

Spark puts its own copy of pyspark first on the path, a zip file without compiled code. Python compiles it
again in every executor, which takes longer than everything else that a worker imports. Where this Python
has the same pyspark installed, that one is used. What workers of all jobs import is loaded before the
first fork, not by each worker.

A session uses this daemon by ``spark.python.daemon.module``; `labelmill.spark.session` sets it where
workers run the driver's own Python.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import sys
import zipfile
from collections.abc import Sequence
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path

from labelmill.version import __version__

SHARED = ("numpy", "pyarrow", "jpype")
"""Modules that most workers import. None of them starts a thread or opens anything when imported."""

_ARCHIVES = ("pyspark.zip", "py4j-", "spark-core_")
"""How the names of the archives begin that Spark puts on the path of its workers."""


def can_start(python: str) -> bool:
    """Whether workers that run `python` on this machine find this module when they start.

    Args:
        python: Name or path of the workers' Python.

    Returns:
        True when it is the Python of this process and has labelmill installed. What
        ``spark-submit --py-files`` brings, a worker receives only after it has started.
    """
    found = shutil.which(python)
    if found is None or os.path.abspath(found) != os.path.abspath(sys.executable):
        return False
    try:
        return metadata.version("labelmill") == __version__
    except metadata.PackageNotFoundError:
        return False


def installed_path(path: Sequence[str]) -> list[str]:
    """Returns a search path without Spark's archives, if the same pyspark is installed on the rest.

    Args:
        path: Search path of a worker.

    Returns:
        The shorter path; `path` itself when nothing, or another version, is installed on the rest.
    """
    archives = [entry for entry in path if _is_archive(entry)]
    rest = [entry for entry in path if entry not in archives]
    shipped = next((entry for entry in archives if Path(entry).name == "pyspark.zip"), None)
    if shipped is None or PathFinder.find_spec("py4j", rest) is None:
        return list(path)
    installed = PathFinder.find_spec("pyspark", rest)
    if installed is None or installed.origin is None:
        return list(path)
    try:
        with zipfile.ZipFile(shipped) as archive:
            same = archive.read("pyspark/version.py") == (
                Path(installed.origin).with_name("version.py").read_bytes()
            )
    except (OSError, KeyError, zipfile.BadZipFile):
        return list(path)
    return rest if same else list(path)


def _is_archive(entry: str) -> bool:
    name = Path(entry).name
    return name.endswith((".zip", ".jar")) and name.startswith(_ARCHIVES)


def prepare() -> None:
    """Chooses the pyspark of this process and loads `SHARED`; call it before pyspark is imported."""
    sys.path[:] = installed_path(sys.path)
    for name in SHARED:
        with contextlib.suppress(ImportError):  # a worker that needs it says so
            importlib.import_module(name)


if __name__ == "__main__":
    prepare()
    from pyspark import daemon

    daemon.manager()  # type: ignore[no-untyped-call]
