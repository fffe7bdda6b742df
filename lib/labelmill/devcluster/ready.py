"""When servers are ready, and who may start and stop them."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from labelmill.devcluster import ports, server
from labelmill.devcluster.server import Server
from labelmill.errors import ClusterError

READY_SECONDS = 300.0
"""How long the servers may take from start to healthy: about 6 s on two idle cores, a minute on busy ones."""

PAUSE = 0.1
"""Seconds between two looks."""

Progress = Callable[[str], None]
Check = Callable[[], tuple[bool, str]]
"""Whether a product is healthy, and why not."""


def silent(line: str) -> None:
    """Discards progress."""


@contextlib.contextmanager
def locked(home: Path, progress: Progress) -> Iterator[None]:
    """Allows one `up` or `down` of a home at a time; a second one waits for it."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "cluster.lock").open("w")
    except OSError as error:
        raise ClusterError(f"the home {home} cannot be written: {error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            progress("waiting for another `up` or `down` of this home")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def wait_ready(
    servers: Sequence[Server],
    started: Mapping[str, subprocess.Popen[bytes]],
    checks: Mapping[str, Check],
    progress: Progress,
) -> None:
    """Waits until every check succeeds.

    A server that is only slow is waited for. Whether one has ended is asked of its own process where it
    was started here: a search by command line misses a process that is inside its ``exec``.

    Args:
        servers: All of them.
        started: Those that this process started, by name.
        checks: Product, as its servers' names begin in lower case → its check.
        progress: Receives lines for people.

    Raises:
        ClusterError: A server ended, or a product took longer than `READY_SECONDS`; with what was seen
            last and the ends of the logs.
    """
    deadline = time.monotonic() + READY_SECONDS
    for name, check in checks.items():
        progress(f"waiting for {name}")
        ready, reason = False, ""
        while not ready:
            silent_ones = [s for s in servers if not ports.answers(s.address, s.ports[0])]
            for one in silent_ones:
                how = _ending_of(one, started.get(one.name))
                if how is not None:
                    raise ClusterError(f"{one.name} ended{how}:\n{server.last_lines(one)}")
            if time.monotonic() > deadline:
                logs = "\n".join(f"{one.name}:\n{server.last_lines(one, 6)}" for one in servers)
                raise ClusterError(
                    f"{name} was not healthy within {READY_SECONDS:.0f} s: {reason[-2000:]}\n{logs}"
                )
            # Asked before it listens, ksck waits half a minute for an answer.
            if any(s.name.startswith(name.lower()) for s in silent_ones):
                reason = f"{', '.join(s.name for s in silent_ones)} does not listen yet"
            else:
                ready, reason = check()
            if not ready:
                time.sleep(PAUSE)


def _ending_of(one: Server, process: subprocess.Popen[bytes] | None) -> str | None:
    """How it ended: `` with exit code 1``, or empty when that is unknown; None while it runs."""
    if process is not None:
        return None if process.poll() is None else f" with {server.ending(process)}"
    return None if server.find(one) is not None else ""
