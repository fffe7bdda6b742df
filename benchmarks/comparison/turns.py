"""The two sides of a comparison: their processes, and who is timed when."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from benchmarks.comparison.checkout import Checkout
from benchmarks.measure.timing import Spread

SCRIPT = Path(__file__).with_name("side.py")
END = 120.0
"""Seconds that a side has to stop its servers."""


class Timing(Protocol):
    """Times one contestant of one side."""

    def __call__(self, contestant: str, repetition: int) -> float:
        """Items a second."""


class Side:
    """A checkout's benchmark in a process of its own, as a context.

    Args:
        checkout: Whose.
        log: Where its output goes.
    """

    def __init__(self, checkout: Checkout, log: Path) -> None:
        self.checkout, self._log = checkout, log

    def __enter__(self) -> Side:
        with self._log.open("wb") as errors:
            self._process = subprocess.Popen(
                self.checkout.command(str(SCRIPT), str(self.checkout.root)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self.checkout.environment,
                cwd=self.checkout.root,
                text=True,
                # Ctrl-C is ours to pass on: its servers are stopped by it, in order.
                start_new_session=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._process.terminate()
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(timeout=END)

    def send(self, **what: Any) -> None:
        """Asks for something; `answer` waits for it."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """What it answers next.

        Raises:
            RuntimeError: It failed; with the end of its log.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "it ended"}
        if "error" in answer:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END)
            tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-25:])
            raise RuntimeError(f"{self.checkout.root}: {answer['error']}\n{tail}")
        return answer

    def rate(self, contestant: str, repetition: int) -> float:
        """Times a contestant; items a second."""
        self.send(run=contestant, repetition=repetition)
        done = self.answer()
        return float(done["items"] / done["seconds"])


@dataclass
class Pairs:
    """One contestant's rates on both sides.

    Attributes:
        this: Items a second, one a repetition.
        that: The same of the other side.
    """

    this: list[float] = field(default_factory=list)
    that: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """This / that, repetition by repetition."""
        return [this / that for this, that in zip(self.this, self.that, strict=True)]

    @property
    def ratio(self) -> Spread:
        """Least, median and most of the ratios."""
        return Spread.of(self.ratios)


@dataclass
class Compared:
    """All contestants' pairs.

    Attributes:
        restless: Starts at which the machine was busy with something else.
        starts: Starts in all.
    """

    pairs: dict[str, Pairs]
    restless: int = 0
    starts: int = 0


def take_turns(
    contestants: Sequence[str],
    this: Timing,
    that: Timing,
    repetitions: int,
    settle: Callable[[], bool],
    say: Callable[[str], None],
) -> Compared:
    """Times each contestant on both sides, one right after the other.

    Which side is first changes from one pair to the next, so that neither side always pays for what the other
    left behind.

    Args:
        contestants: In this order.
        this: Times on this side.
        that: Times on the other.
        repetitions: 1 or more.
        settle: Called before each start; whether the machine is quiet.
        say: Receives a line of progress.
    """
    compared = Compared({name: Pairs() for name in contestants})
    for repetition in range(1, repetitions + 1):
        for number, name in enumerate(contestants):
            pairs = compared.pairs[name]
            order = [(this, pairs.this), (that, pairs.that)]
            for timing, rates in order[:: 1 if (repetition + number) % 2 else -1]:
                compared.starts += 1
                compared.restless += not settle()
                rates.append(timing(name, repetition))
            say(
                f"{repetition}/{repetitions} {name}: {pairs.this[-1]:,.0f} against "
                f"{pairs.that[-1]:,.0f} a second, {pairs.ratios[-1]:.3f} ×"
            )
    return compared
