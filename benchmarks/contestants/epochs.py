"""Ways to feed a training run, raced: each in a process of its own, over the same images.

A turn takes about `TURN` seconds: a contestant with slower epochs does fewer of them.
Before any clock each goes through one epoch that is looked at, row for row, and two whose order must
differ.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.data.digits import Digits
from benchmarks.measure.machine import ROOT
from benchmarks.measure.processes import CpuWatch, own_bytes, tree
from benchmarks.measure.results import Row
from benchmarks.measure.timing import Contestant, Spread
from benchmarks.peers.process import Peer

TURN = 2.0
"""Seconds; an epoch that takes longer is a turn of its own."""

OURS = str(ROOT / "benchmarks" / "contestants" / "our_epochs.py")


@dataclass(frozen=True)
class Way:
    """One way to feed.

    Attributes:
        name: Shown in tables.
        peer: Folder below ``benchmarks/peers``.
        way: Name in its script.
        note: What exactly it does.
        own: It has an environment of its own; else it runs with our packages.
        script: In that folder, or a whole path.
    """

    name: str
    peer: str
    way: str
    note: str
    own: bool = False
    script: str = "epochs.py"


@dataclass
class Turns:
    """What one way's turns used, beside their time.

    Attributes:
        cores: Processor seconds a second, turn by turn.
        own: MiB that are no file's pages (RssAnon), after each turn.
    """

    cores: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)

    def rows(self, name: str) -> list[Row]:
        """For the table."""
        note = "RssAnon of its processes: pages that are no file's"
        return [
            Row(f"{name}: processor", "cores", Spread.of(self.cores)),
            Row(f"{name}: memory of its own", "MiB", Spread.of(self.own), note),
        ]


class Feeder:
    """A way as a contestant.

    Args:
        way: Which.
        digits: What an epoch must hold.
        asked: Sent with ``prepare``: ``images``, ``classes``, ``folder``, ``batch``, ``cores``, ….
        shuffled: The order of two epochs must differ.

    Attributes:
        turns: Filled by the race.
    """

    def __init__(
        self, way: Way, digits: Digits, asked: Mapping[str, Any], shuffled: bool = True
    ) -> None:
        self.way, self.turns = way, Turns()
        self._digits, self._asked, self._shuffled = digits, asked, shuffled
        self._epochs = 1

    @contextlib.contextmanager
    def started(self, folder: Path) -> Iterator[Contestant]:
        """Its process, as long as the block lasts.

        Raises:
            NoData: It is not installed.
        """
        log = folder / f"{self.way.peer}-{self.way.way}.log"
        python = None if self.way.own else Path(sys.executable)
        with Peer(self.way.peer, self.way.script, [], log, python) as self._peer:
            yield Contestant(self.way.name, self._turn, self.way.note, self._warm)

    def _warm(self) -> None:
        self._peer.ask(prepare=self.way.way, **self._asked)
        first, second = self._peer.ask(check=True), self._peer.ask(check=True)
        wrong = self._digits.wrong(first) or self._digits.wrong(second)
        if wrong:
            raise RuntimeError(f"{self.way.name} does not feed every row once: {wrong}")
        if self._shuffled and first["head"] == second["head"]:
            raise RuntimeError(f"{self.way.name} feeds two epochs in the same order")
        started = time.perf_counter()
        self._peer.ask(epochs=1)
        self._epochs = epochs_in_a_turn(time.perf_counter() - started)

    def _turn(self, repetition: int) -> int:
        with CpuWatch(self._peer.pid, {}) as watch:
            rows: int = self._peer.ask(epochs=self._epochs)["rows"]
        self.turns.cores.append(sum(watch.shares.used.values()) / watch.shares.wall)
        # A JVM beside a peer has written its files before; it feeds nobody.
        family = [one.pid for one in tree(self._peer.pid) if not one.name.startswith("java")]
        self.turns.own.append(own_bytes(family) / 2**20)
        return rows


def epochs_in_a_turn(seconds: float, turn: float = TURN) -> int:
    """How many epochs of `seconds` each make a turn; 1 to 100."""
    return max(1, min(100, round(turn / seconds)))
