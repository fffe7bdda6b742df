"""Runs the labelling stream as its own process, started as a user would start it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from labelmill.errors import LabelmillError
from labelmill.signals import held

STOP_SECONDS = 45.0
"""Longest wait for the stream to end; it finishes the current micro-batch first."""


class StreamProcess:
    """Runs a job until it is stopped; it never outlives the ``with`` block.

    Args:
        job: Path of the job's file, then its arguments.
        log: File for its output.
        environment: Added to this process's environment.
    """

    def __init__(self, job: list[str], log: Path, environment: dict[str, str]) -> None:
        self._command, self._log = [sys.executable, *job], log
        self._environment = {**os.environ, **environment}
        # A parent under spark-submit passes on its gateway's port; the child starts its own JVM.
        self._environment.pop("PYSPARK_GATEWAY_PORT", None)
        self._environment.pop("PYSPARK_GATEWAY_SECRET", None)
        self._running: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> StreamProcess:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        # A signal between the start and the assignment would leave a stream that nobody stops.
        with self._log.open("wb") as out, held():
            # In its own process group: Ctrl-C in the terminal reaches it through us, in order.
            self._running = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        return self

    def wait_until(self, reached: Callable[[], bool], what: str, seconds: float) -> None:
        """Waits for a condition while the stream runs.

        Raises:
            LabelmillError: The stream ended, or the deadline passed; the message ends with the
                log's last lines.
        """
        assert self._running is not None
        deadline = time.monotonic() + seconds
        while not reached():
            if self._running.poll() is not None:
                raise LabelmillError(
                    f"the stream ended with exit code {self._running.returncode} before {what}; "
                    f"its log {self._log} ends:\n{self._tail()}"
                )
            if time.monotonic() > deadline:
                raise LabelmillError(
                    f"not within {seconds:.0f} s: {what}; the stream's log {self._log} ends:\n"
                    f"{self._tail()}"
                )
            time.sleep(0.1)

    def stop(self) -> None:
        """Stops the stream after its current micro-batch.

        Raises:
            LabelmillError: It ended with an error.
        """
        assert self._running is not None
        self._running.send_signal(signal.SIGTERM)
        try:
            code = self._running.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise LabelmillError(
                f"the stream did not end within {STOP_SECONDS:.0f} s of SIGTERM; its log "
                f"{self._log} ends:\n{self._tail()}"
            ) from None
        if code != 0:
            raise LabelmillError(
                f"the stream ended with exit code {code}; its log {self._log} ends:\n{self._tail()}"
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._running is not None:
            # The JVM that the job started is in the same group and must end too. A process group
            # outlives its leader, so this is needed after a clean end as well.
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(self._running.pid, number)
                except ProcessLookupError:
                    break
                if number == signal.SIGTERM:
                    _wait_quietly(self._running, 10.0)
            self._running.wait()

    def _tail(self, lines: int = 12) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])


def _wait_quietly(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
