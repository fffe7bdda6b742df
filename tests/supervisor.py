"""Runs pytest and leaves no process behind, however the run ends: ``bin/test`` becomes this.

``python -m tests.supervisor PYTEST ARGUMENTS``

A run's processes are known in two ways. While the supervisor lives, everything that the run has started
is below it: it adopts what loses its parent (``PR_SET_CHILD_SUBREAPER``). When the supervisor itself is
killed, the next one finds them by `RUN` in their environment, which names a supervisor that is gone.

SIGINT, SIGTERM and SIGHUP give pytest `GRACE` seconds to end in order, servers and report included; what is
left then is ended. A second signal ends the run at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests import line_coverage

RUN = "LABELMILL_TEST_RUN"
"""Environment variable of everything that a run starts: `Owner` of the run."""

GRACE = 20.0
"""Seconds that pytest has to end in order after a signal."""

TERM_SECONDS = 10.0
"""Seconds between SIGTERM and SIGKILL to what is left."""

END_SECONDS = 3.0
"""Seconds that processes have to end by themselves once pytest has ended."""

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SI_KERNEL = 0x80
"""``si_code`` of a signal that the terminal sends to its whole foreground group."""

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


@dataclass(frozen=True)
class Owner:
    """A process that nobody else can be: its id and when it started.

    Attributes:
        pid: Process id.
        ticks: Start, in clock ticks since the system was booted.
    """

    pid: int
    ticks: int

    @classmethod
    def of(cls, pid: int) -> Owner | None:
        """The process that has this id now; None when there is none."""
        try:
            # After the name, which may hold anything: state is field 3, the start field 22.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """From `RUN`'s value; None when it is none."""
        pid, _, ticks = text.partition(":")
        return cls(int(pid), int(ticks)) if pid.isdecimal() and ticks.isdecimal() else None

    def __str__(self) -> str:
        return f"{self.pid}:{self.ticks}"

    @property
    def alive(self) -> bool:
        """Whether it still runs; another process may have its id by now."""
        return Owner.of(self.pid) == self


def owner_of(pid: int) -> Owner | None:
    """Whose run a process belongs to, as its environment says; None for what belongs to no run."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # gone, or another user's
        return None
    for entry in environment.split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name == RUN.encode():
            return Owner.parse(value.decode(errors="replace"))
    return None


def orphans() -> list[psutil.Process]:
    """Processes of runs whose supervisor is gone."""
    found = []
    for process in psutil.process_iter():
        owner = owner_of(process.pid)
        if owner is not None and not owner.alive and process.pid != os.getpid():
            found.append(process)
    return found


def descendants(run: Owner) -> list[psutil.Process]:
    """Everything that this process has started or adopted, and what names its run."""
    mine = {process.pid: process for process in psutil.Process().children(recursive=True)}
    for process in psutil.process_iter():
        if process.pid != os.getpid() and owner_of(process.pid) == run:
            mine.setdefault(process.pid, process)
    return [process for process in mine.values() if _runs(process)]


def end(find: Callable[[], list[psutil.Process]], seconds: float = TERM_SECONDS) -> list[str]:
    """Ends what `find` finds until it finds nothing: first SIGTERM, later SIGKILL.

    Returns:
        What was ended, for people.
    """
    deadline, ended = time.monotonic() + seconds, {}
    while left := find():
        late = time.monotonic() > deadline
        for process in left:
            with contextlib.suppress(psutil.Error):
                if process.pid not in ended:
                    ended[process.pid] = f"{process.pid} {_line_of(process)}"
                    process.terminate()
                elif late:
                    process.kill()
        reap()
        time.sleep(0.05)
    return list(ended.values())


def reap() -> dict[int, int]:
    """Collects children that have ended, adopted ones too: process id → exit code."""
    codes = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            codes[pid] = os.waitstatus_to_exitcode(status)
    return codes


def supervise(command: Sequence[str]) -> int:
    """Runs a command to its end, or until a signal; ends everything it started.

    Returns:
        Its exit code; 128 + the signal's number after a signal.
    """
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    run = Owner.of(os.getpid())
    assert run is not None
    for line in end(orphans):
        print(f"bin/test: ended what a killed run had left: {line}", file=sys.stderr)
    signal.pthread_sigmask(signal.SIG_BLOCK, {*STOPPING, signal.SIGCHLD})
    child = subprocess.Popen(command, env={**os.environ, RUN: str(run)}, preexec_fn=_begin)
    code, stopped = _wait(child.pid)
    if not stopped:
        _let_end(run)
    left = end(lambda: descendants(run))
    if left and not stopped:
        print("bin/test: ended what tests had left:", *left, sep="\n  ", file=sys.stderr)
    return 128 + stopped if stopped else code


def _let_end(run: Owner) -> None:
    """Gives JVMs that end with their Python, a moment after it, `END_SECONDS` to do so."""
    deadline = time.monotonic() + END_SECONDS
    while descendants(run) and time.monotonic() < deadline:
        reap()
        time.sleep(0.1)


def _begin() -> None:
    """In pytest's process: signals come through, and it ends in order when the supervisor is killed."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _wait(pid: int) -> tuple[int, int]:
    """Until the child has ended, or its time after a signal is over: its exit code, and the signal or 0."""
    stopped, deadline = 0, 0.0
    while True:
        seconds = deadline - time.monotonic() if stopped else 3600.0
        info = signal.sigtimedwait({*STOPPING, signal.SIGCHLD}, max(seconds, 0.0))
        codes = reap()
        if pid in codes:
            return codes[pid], stopped
        if info is not None and info.si_signo in STOPPING:
            if stopped:
                return 1, stopped
            stopped, deadline = info.si_signo, time.monotonic() + GRACE
            # Ctrl-C in a terminal has reached the group already; pytest and its workers know SIGINT only.
            if not (info.si_signo == signal.SIGINT and info.si_code == SI_KERNEL):
                _interrupt_group()
        if stopped and time.monotonic() >= deadline:
            return 1, stopped


def _interrupt_group() -> None:
    """SIGINT as a terminal sends it: to our process group, but not to us."""
    group = os.getpgid(0)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == group:
                os.kill(process.pid, signal.SIGINT)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _line_of(process: psutil.Process) -> str:
    line = " ".join(process.cmdline()) or process.name()
    return line if len(line) <= 120 else f"{line[:117]}…"


def main(arguments: list[str]) -> int:
    """Runs pytest; with ``--cov`` measured, and followed by what was measured."""
    if "--cov" not in arguments:
        return supervise([sys.executable, "-m", "pytest", *arguments])
    rest = [argument for argument in arguments if argument != "--cov"]
    code = supervise(line_coverage.measure(["pytest", *rest]))
    print(line_coverage.report())
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
