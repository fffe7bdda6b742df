"""When servers are ready, and who may start and stop them."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from labelmill.devcluster import kafka, kudu, ports, server
from labelmill.devcluster.addresses import Addresses
from labelmill.devcluster.server import Server
from labelmill.errors import ClusterError

READY_SECONDS = 120.0
"""How long the servers may take from start to healthy; they need about 6 s on two cores."""

Progress = Callable[[str], None]


def silent(line: str) -> None:
    """Progress for nobody."""


@contextlib.contextmanager
def locked(home: Path, progress: Progress) -> Iterator[None]:
    """One `up` or `down` of a home at a time; the second waits and then sees the first's work."""
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
    servers: list[Server], programs: Path, chosen: Addresses, progress: Progress
) -> None:
    """Waits until ksck is content and a topic can be made.

    Raises:
        ClusterError: A server ended, or took longer than `READY_SECONDS`; with the logs' ends.
    """
    checks: dict[str, Callable[[], tuple[bool, str]]] = {
        "Kudu": lambda: kudu.is_healthy(programs, chosen),
        "Kafka": lambda: kafka.is_ready(chosen.kafka_brokers),
    }
    deadline = time.monotonic() + READY_SECONDS
    for name, check in checks.items():
        progress(f"waiting for {name}")
        ready, reason = False, ""
        while not ready:
            mute = [s for s in servers if not ports.answers(s.address, s.ports[0])]
            for one in mute:
                if server.find(one) is None:
                    raise ClusterError(f"{one.name} ended:\n{server.last_lines(one)}")
            if time.monotonic() > deadline:
                logs = "\n".join(f"{one.name}:\n{server.last_lines(one, 6)}" for one in servers)
                raise ClusterError(
                    f"{name} was not healthy within {READY_SECONDS:.0f} s: {reason[-2000:]}\n{logs}"
                )
            # Asked before it listens, ksck waits half a minute for an answer.
            if any(s.name.startswith(name.lower()) for s in mute):
                reason = f"{', '.join(s.name for s in mute)} does not listen yet"
            else:
                ready, reason = check()
            if not ready:
                time.sleep(0.1)
