"""Jobs as users start them: Python, JVM and Spark start anew each time."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure.machine import ROOT
from benchmarks.measure.resources import Kudu


def run_command(kudu: Kudu, command: Sequence[str], log: Path) -> None:
    """Runs a job and waits for it.

    Args:
        kudu: What it works on.
        command: From `job_command`.
        log: Receives its output.

    Raises:
        RuntimeError: It failed; with the end of its output.
    """
    with log.open("wb") as output:
        answer = subprocess.run(
            command, env=kudu.environment, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT
        )
    if answer.returncode:
        raise RuntimeError(f"bin/submit ended with {answer.returncode}:\n{last_lines(log)}")


def job_command(cores: int, *words: str, options: Sequence[str] = ()) -> list[str]:
    """The command line; `options` are spark-submit's, `words` the job and its own."""
    return [str(ROOT / "bin" / "submit"), "--master", f"local[{cores}]", *options, *words]


def last_lines(log: Path, count: int = 15) -> str:
    """End of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
