"""A contestant that runs in a process of its own, mostly in an environment of its own, and answers line by line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.measure.machine import ROOT
from labelmill.errors import NoData
from labelmill.settings import default_home

HERE = Path(__file__).parent


class Peer:
    """One peer's process, as a context.

    Args:
        name: Its folder below ``benchmarks/peers``.
        script: A file in that folder; reads a JSON object a line, answers each with one, and says
            ``{"ready": true}`` first (see ``answering.py``).
        arguments: Of the script.
        log: Where its stderr goes.
        python: A Python with our packages instead of an environment of its own.

    Attributes:
        pid: Of its process, in the context.

    Raises:
        NoData: It is not installed.
    """

    def __init__(
        self, name: str, script: str, arguments: list[str], log: Path, python: Path | None = None
    ) -> None:
        own = default_home() / "peers" / name / "bin" / "python"
        self._command = [str(python or own), str(HERE / name / script), *arguments]
        self._name, self._log = name, log
        self._environment = _ours() if python else _of_its_own(own)
        if python is None and not (own.parents[1] / "installed.txt").is_file():
            raise NoData(f"{name} is not installed; run benchmarks/peers/setup {name}")

    def __enter__(self) -> Peer:
        self._errors = self._log.open("wb")
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=self._environment,
            text=True,
        )
        self.pid = self._process.pid
        self._answer()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            print(f"{self._name} does not end by itself", file=sys.stderr)
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def ask(self, **what: Any) -> dict[str, Any]:
        """One piece of work; its answer.

        Raises:
            RuntimeError: The peer ended; with the end of its log.
        """
        if self._process.stdin is not None:
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            output = self._log.read_text(errors="replace").splitlines()[-15:]
            raise RuntimeError(f"{self._name} ended:\n" + "\n".join(output))
        answer: dict[str, Any] = json.loads(line)
        return answer


def _of_its_own(python: Path) -> dict[str, str]:
    # Its Spark and its packages are its own; `answering` it has from here.
    ours = ("SPARK_", "PYSPARK_", "PYTHON", "LABELMILL_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    more = {"PYSPARK_PYTHON": str(python), "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": str(HERE)}
    return {**kept, "TF_CPP_MIN_LOG_LEVEL": "3", **more}


def _ours() -> dict[str, str]:
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
