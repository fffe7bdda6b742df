"""Which run a process belongs to; only leftovers of a dead run are ended."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil

from tests.helpers.marked import PROBE, of_probe, probe
from tests.supervisor import RUN, Owner, end, orphans, owner_of

__all__ = ["probe"]


def sleeper(probe: str, run: str | None, ignore: bool = False) -> psutil.Process:
    """A process that nobody waits for, in a session of its own."""
    code = "import signal, time; print(flush=True); time.sleep(60)"
    if ignore:
        code = code.replace("print", "signal.signal(signal.SIGTERM, signal.SIG_IGN); print")
    environment = {**os.environ, PROBE: probe}
    environment.pop(RUN, None)
    if run is not None:
        environment[RUN] = run
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return psutil.Process(process.pid)


def test_an_owner_is_more_than_a_number() -> None:
    me = Owner.of(os.getpid())
    assert me is not None
    assert me.alive
    assert Owner.parse(str(me)) == me
    assert not Owner(me.pid, me.ticks - 1).alive, "another process with our id"
    assert Owner.of(2**22 + 1) is None
    assert Owner.parse("") is Owner.parse("1:x") is Owner.parse("12") is None


def test_only_what_a_dead_run_has_left_is_ended(probe: str) -> None:
    me = Owner.of(os.getpid())
    assert me is not None
    dead = str(Owner(me.pid, me.ticks - 1))
    left, stubborn = sleeper(probe, dead), sleeper(probe, dead, ignore=True)
    kept = [sleeper(probe, str(me)), sleeper(probe, None), sleeper(probe, "nonsense")]
    assert owner_of(left.pid) == Owner.parse(dead)
    assert owner_of(kept[1].pid) is None
    mine = {process.pid for process in of_probe(probe)}

    def found() -> list[psutil.Process]:
        # Other runs of this machine may have left something, too: not this test's to end.
        return [one for one in orphans() if one.pid in mine and one.status() != "zombie"]

    assert {one.pid for one in found()} == {left.pid, stubborn.pid}
    ended = end(found, seconds=0.2)
    assert {line.split()[0] for line in ended} == {str(left.pid), str(stubborn.pid)}
    assert {process.pid for process in of_probe(probe)} == {process.pid for process in kept}
