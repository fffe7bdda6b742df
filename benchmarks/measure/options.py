"""Options of the command line, and progress of a benchmark."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

from benchmarks.measure.timing import settled


@dataclass(frozen=True)
class Options:
    """How to run.

    Attributes:
        quick: Small sizes: a trial that says nothing about speed.
        repetitions: Of everything that is timed.
        cores: Processes of bare loops, task slots of Spark.
        micro_batches: Of a stream; None: the benchmark's own number.
        minutes: Longest time of a stream; None: the benchmark's own.
    """

    quick: bool = False
    repetitions: int = 5
    cores: int = 2
    micro_batches: int | None = None
    minutes: float | None = None
    _started: float = field(default_factory=time.monotonic)

    def size(self, full: int, quick: int) -> int:
        """`quick` in a quick run, else `full`."""
        return quick if self.quick else full

    def settle(self) -> bool:
        """Waits a limited time until the machine is quiet; returns whether it is."""
        return settled(2.0 if self.quick else 30.0)

    def say(self, line: str) -> None:
        """A line of progress."""
        print(f"{time.monotonic() - self._started:6.1f}s  {line}", file=sys.stderr, flush=True)
