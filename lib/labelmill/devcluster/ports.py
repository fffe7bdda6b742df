"""Loopback addresses and ports: the usual ones, or free ones when those are taken."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from labelmill.errors import ClusterError

# Below the range from which systems take ports of outgoing connections (32768 upward on Linux):
# a port recorded today is then not taken by chance when the servers start again.
FREE_RANGE = range(20_000, 32_000)


def host(number: int) -> str:
    """Loopback address of tablet server ``number`` (from 1); all of 127.0.0.0/8 is this machine."""
    return f"127.0.0.{number}"


def is_free(address: str, port: int) -> bool:
    """Whether a server could listen at ``address:port`` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def reserved() -> Iterator[None]:
    """One start at a time for this user: a port that is chosen is bound before another start looks."""
    with (Path(tempfile.gettempdir()) / f"labelmill-ports-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def choose(default: int, addresses: list[str], avoid: set[int], usual: bool = True) -> int:
    """A port that is free at every address.

    Args:
        default: The port people expect.
        addresses: Where it must be free.
        avoid: Ports promised to other servers already; the answer is added.
        usual: Try ``default`` first.

    Raises:
        ClusterError: No free port was found.
    """
    tries = ([default] if usual else []) + random.sample(FREE_RANGE, 200)
    for port in tries:
        if port not in avoid and all(is_free(address, port) for address in addresses):
            avoid.add(port)
            return port
    raise ClusterError(
        f"no free port between {FREE_RANGE.start} and {FREE_RANGE.stop} at {', '.join(addresses)}"
    )


def answers(address: str, port: int, seconds: float = 2.0) -> bool:
    """Whether something accepts connections at ``address:port``."""
    try:
        with socket.create_connection((address, port), timeout=seconds):
            return True
    except OSError:
        return False
