"""What ``local-cluster`` leaves behind: Spark copies the jars for each application and keeps them.

30 MB a run in ``SPARK_HOME/work``, which is inside pyspark when SPARK_HOME is not set. A standalone
worker of the same Spark keeps its applications and their logs there too; those are not ours. So each
session that makes a folder here leaves a mark with the application's name, and only marked ones go.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import psutil
import pyspark

MARK = ".labelmill-"
"""Begins the name of a mark; the application's name follows."""

YOUNG_SECONDS = 120.0
"""An application that is just starting has no executor in its folder yet."""


def clear(home: Path | None = None) -> list[str]:
    """Removes the folders of applications that have ended, however they ended.

    Args:
        home: Spark's home; default SPARK_HOME, else the folder of pyspark.

    Returns:
        Names of the removed folders.
    """
    work = _work(home)
    # Two workers that both want to make it are told "failed to create directory".
    work.mkdir(exist_ok=True)
    in_use = _working_folders()
    removed = []
    for mark in work.glob(MARK + "app-*"):
        folder = work / mark.name.removeprefix(MARK)
        old = time.time() - mark.stat().st_mtime > YOUNG_SECONDS
        if old and in_use is not None and not any(folder in path.parents for path in in_use):
            if folder.is_dir():
                removed.append(folder.name)
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                mark.unlink(missing_ok=True)
    return removed


def mark(application: str, home: Path | None = None) -> None:
    """Says that the folder of this application (``app-…``) is ours to remove once it has ended."""
    (_work(home) / (MARK + application)).touch()


def _work(home: Path | None) -> Path:
    return (home or Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent)) / "work"


def _working_folders() -> set[Path] | None:
    """Where processes work; None when one that may be an executor of ours does not say."""
    found = set()
    for process in psutil.process_iter():
        try:
            found.add(Path(process.cwd()))
        except psutil.AccessDenied:
            # Executors run as whoever started the session, in a Java.
            if process.uids().real == os.getuid() and process.name() == "java":
                return None
        except (psutil.Error, OSError):
            continue  # gone meanwhile
    return found
