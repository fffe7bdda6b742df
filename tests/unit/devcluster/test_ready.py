"""A server that is slow is waited for; one that has ended is reported at once, with its exit and its log."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labelmill.devcluster import ports, ready, server
from labelmill.devcluster.ready import silent, wait_ready
from labelmill.devcluster.server import Server
from labelmill.errors import ClusterError


class Clock:
    """Stands still while nobody sleeps; every port opens at one moment."""

    def __init__(self, opens_after: float = 0.0) -> None:
        self.now, self.opens_after = 0.0, opens_after

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(ready, "time", made)
    monkeypatch.setattr(ports, "answers", lambda address, port: made.now >= made.opens_after)
    return made


@pytest.fixture
def kafka(tmp_path: Path) -> Server:
    return Server("kafka", Path("java"), [], tmp_path, "127.0.0.1", (1,))


@pytest.fixture
def alive() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.communicate(b"\n")


def test_a_slow_start_is_waited_for(
    clock: Clock, kafka: Server, alive: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Inside its exec a process has no command line yet: a search does not find it, though it runs.
    monkeypatch.setattr(server, "find", lambda one: None)
    clock.opens_after = 100.0
    seen: list[float] = []

    def check() -> tuple[bool, str]:
        seen.append(clock.now)
        return len(seen) == 3, "no leader yet"

    wait_ready([kafka], {"kafka": alive}, {"Kafka": check}, silent)
    assert len(seen) == 3
    assert seen[0] >= 100.0, "asked before it listened"


def test_the_end_of_a_server_is_reported_with_its_log(clock: Clock, kafka: Server) -> None:
    clock.opens_after = 1e9
    kafka.output.write_text("java.lang.OutOfMemoryError\n")
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    process.wait()
    with pytest.raises(ClusterError, match=r"kafka ended with exit code 3:\n    java\.lang\.OutOf"):
        wait_ready([kafka], {"kafka": process}, {"Kafka": lambda: (True, "")}, silent)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process.kill()
    process.communicate()
    with pytest.raises(ClusterError, match="kafka ended with SIGKILL:"):
        wait_ready([kafka], {"kafka": process}, {"Kafka": lambda: (True, "")}, silent)
    with pytest.raises(ClusterError, match="kafka ended:"):
        wait_ready([kafka], {}, {"Kafka": lambda: (True, "")}, silent)
    assert clock.now == 0.0


def test_who_never_becomes_healthy_is_reported_with_what_was_seen_last(
    clock: Clock, kafka: Server, alive: subprocess.Popen[bytes]
) -> None:
    kafka.output.write_text("still electing\n")
    with pytest.raises(
        ClusterError,
        match=r"Kafka was not healthy within 300 s: no leader yet\nkafka:\n    still elec",
    ):
        wait_ready([kafka], {"kafka": alive}, {"Kafka": lambda: (False, "no leader yet")}, silent)
    clock.now, clock.opens_after = 0.0, 1e9
    with pytest.raises(ClusterError, match="within 300 s: kafka does not listen yet"):
        wait_ready([kafka], {"kafka": alive}, {"Kafka": lambda: (True, "")}, silent)


def test_a_started_server_can_be_found_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``Popen`` may return before the command line can be read; `start` may not."""
    looks: list[int] = []
    real = server.psutil.Process.cmdline

    def late(self: server.psutil.Process) -> list[str]:
        looks.append(self.pid)
        return [] if len(looks) < 3 else real(self)

    monkeypatch.setattr(server.psutil.Process, "cmdline", late)
    arguments = ["-c", "import time; time.sleep(60)", f"{tmp_path}/settings"]
    one = Server("kafka", Path(sys.executable), arguments, tmp_path, "127.0.0.1", (1,))
    process = server.start(one)
    try:
        assert looks == [process.pid] * 3
        found = server.find(one)
        assert found is not None
        assert found.pid == process.pid
    finally:
        process.kill()
        process.wait()
