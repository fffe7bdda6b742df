"""Removes what ``local-cluster`` leaves behind: Spark copies the jars for each application.

That is 30 MB per run in ``SPARK_HOME/work``, which is inside pyspark if SPARK_HOME is not set. A
standalone worker of the same Spark keeps its applications and their logs there too; those are not ours.
So each session that makes a folder here leaves a mark with the application's name, and only marked
folders are removed.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import psutil
import pyspark

MARK = ".labelmill-"
"""Prefix of a mark's name; the application's name follows."""

YOUNG_SECONDS = 120.0
"""An application that is just starting has no executor in its folder yet."""


def clear(home: Path | None = None) -> list[str]:
    """Removes the folders of applications that have ended, also those that were killed.

    Args:
        home: Spark's home; default: SPARK_HOME, else the folder of pyspark.

    Returns:
        Names of the removed folders.
    """
    work = _work(home)
    # Of two workers that both try to make it, one fails with "failed to create directory".
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
    """Marks the folder of this application (``app-…``) as ours, to be removed once it has ended."""
    (_work(home) / (MARK + application)).touch()


def _work(home: Path | None) -> Path:
    return (home or Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent)) / "work"


def _working_folders() -> set[Path] | None:
    """Returns the working folders of all processes; None if a possible executor of ours hides it."""
    found = set()
    for process in psutil.process_iter():
        try:
            found.add(Path(process.cwd()))
        except psutil.AccessDenied:
            # Executors are Java processes of the user who started the session.
            if process.uids().real == os.getuid() and process.name() == "java":
                return None
        except (psutil.Error, OSError):
            continue  # has ended meanwhile
    return found
