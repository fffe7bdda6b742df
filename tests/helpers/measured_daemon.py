"""Spark's daemon of Python workers, whose workers save what `bin/test --cov` has measured.

Spark ends its workers by a signal; they save after each task instead. A session uses this daemon by
``spark.python.daemon.module``.
"""

from __future__ import annotations

from typing import Any

import coverage
import pyspark.daemon as daemon

_run_task = daemon.worker_main


def _run_and_save(infile: Any, outfile: Any) -> None:
    try:
        _run_task(infile, outfile)
    finally:
        measured = coverage.Coverage.current()
        if measured is not None:
            measured.save()


if __name__ == "__main__":
    daemon.worker_main = _run_and_save
    daemon.manager()
