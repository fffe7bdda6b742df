"""A Spark standalone cluster of two workers on two loopback addresses.

``local-cluster`` has one host only, and Spark runs no second copy of a task on a host that runs it
already: speculation is never seen there.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyspark

from tests.helpers.streams import until

SPARK_HOME = Path(pyspark.__file__).parent
_MASTER = "org.apache.spark.deploy.master.Master"
_WORKER = "org.apache.spark.deploy.worker.Worker"


@contextlib.contextmanager
def standalone(folder: Path) -> Iterator[tuple[str, list[psutil.Process]]]:
    """Starts master and workers, one core each; stops them and all they started.

    Yields:
        The master's URL, and the workers' processes.
    """
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, host: str, *arguments: str) -> Path:
        log = folder / f"{name}.log"
        with log.open("wb") as out:
            started.append(
                subprocess.Popen(
                    [str(SPARK_HOME / "bin" / "spark-class"), *arguments],
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, "SPARK_HOME": str(SPARK_HOME), "SPARK_LOCAL_IP": host},
                )
            )
        return log

    def said(log: Path, pattern: str, times: int = 1) -> list[str]:
        def found() -> list[str]:
            return re.findall(pattern, log.read_text(errors="replace"))

        until(lambda: len(found()) >= times)
        return found()

    try:
        ports = ("--port", "0", "--webui-port", "0")
        log = start("master", "127.0.0.1", _MASTER, "--host", "127.0.0.1", *ports)
        (url,) = said(log, r"Starting Spark master at (spark://\S+)")
        for number in (1, 2):
            host = f"127.0.0.{number}"
            size = ("--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"work-{number}"))
            start(f"worker-{number}", host, _WORKER, "--host", host, *ports, *size, url)
        said(log, r"Registering worker", 2)
        yield url, [psutil.Process(process.pid) for process in started[1:]]
    finally:
        for process in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                for one in (*psutil.Process(process.pid).children(recursive=True), process):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        one.kill()
            process.wait()


def executors(workers: list[psutil.Process]) -> list[psutil.Process]:
    """The executors' JVMs that run now."""
    found = []
    for worker in workers:
        for child in worker.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if any("CoarseGrainedExecutorBackend" in word for word in child.cmdline()):
                    found.append(child)
    return found
