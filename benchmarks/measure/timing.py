"""Contestants timed in turn, and what their times say of each other.

Ratios are taken pair by pair: in repetition *i* ours against the peer's time in repetition *i*, so
that a machine that slows down for a minute slows both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import psutil


@dataclass(frozen=True)
class Spread:
    """Smallest, middle and largest of some values."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of one value or more.

        Raises:
            ValueError: There is none.
        """
        listed = sorted(values)
        if not listed:
            raise ValueError("a spread of no values; expected one measurement or more")
        return cls(listed[0], statistics.median(listed), listed[-1])


@dataclass(frozen=True)
class Contestant:
    """One way to do the work.

    Attributes:
        name: Shown in tables.
        run: Timed; receives the repetition (0 is the warm-up) and returns the items it did.
        note: What exactly it does.
        warm: Instead of `run` for the warm-up, when that would take long.
        check: After `run`, untimed; raises when the work was not done.
    """

    name: str
    run: Callable[[int], int]
    note: str = ""
    warm: Callable[[], object] | None = None
    check: Callable[[int], None] | None = None


@dataclass
class Timed:
    """Times of one contestant.

    Attributes:
        items: Done in each repetition.
        seconds: One number a repetition.
    """

    name: str
    note: str = ""
    items: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """Items a second, by repetition."""
        return [self.items / seconds for seconds in self.seconds]

    def ratios(self, peer: Timed) -> Spread:
        """How many times as fast as the peer, repetition by repetition.

        Raises:
            ValueError: Different numbers of repetitions.
        """
        if len(self.seconds) != len(peer.seconds):
            raise ValueError(
                f"{self.name} has {len(self.seconds)} repetitions, {peer.name} {len(peer.seconds)}"
            )
        pairs = zip(self.rates, peer.rates, strict=True)
        return Spread.of(ours / theirs for ours, theirs in pairs)


@dataclass
class Race:
    """All contestants' times.

    Attributes:
        restless: Starts at which the machine was busy with something else.
        starts: Starts in all.
    """

    timed: dict[str, Timed]
    restless: int = 0
    starts: int = 0

    def __getitem__(self, name: str) -> Timed:
        return self.timed[name]

    def __ior__(self, other: Race) -> Race:
        """Another race's times as well."""
        self.timed |= other.timed
        self.restless += other.restless
        self.starts += other.starts
        return self

    def fastest(self, names: Iterable[str]) -> Timed:
        """Of several ways to do the peer's work the one with the highest median rate."""
        return max((self.timed[name] for name in names), key=lambda t: statistics.median(t.rates))


def race(
    contestants: Sequence[Contestant],
    repetitions: int,
    settle: Callable[[], bool],
    say: Callable[[str], None],
) -> Race:
    """Times everybody in turn: first a warm-up each, then A B C, A B C, …

    Args:
        contestants: In this order.
        repetitions: 1 or more.
        settle: Called before each start; whether the machine is quiet.
        say: Receives a line of progress.

    Raises:
        RuntimeError: A contestant did other numbers of items in two repetitions.
    """
    result = Race({one.name: Timed(one.name, one.note) for one in contestants})
    for one in contestants:
        say(f"warm-up: {one.name}")
        if one.warm is not None:
            one.warm()
        else:
            one.run(0)
            if one.check is not None:
                one.check(0)
    for repetition in range(1, repetitions + 1):
        for one in contestants:
            result.starts += 1
            result.restless += not settle()
            started = time.perf_counter()
            items = one.run(repetition)
            seconds = time.perf_counter() - started
            if one.check is not None:
                one.check(repetition)
            timed = result.timed[one.name]
            if timed.seconds and items != timed.items:
                raise RuntimeError(f"{one.name} did {timed.items} items, then {items}")
            timed.items = items
            timed.seconds.append(seconds)
            say(
                f"{repetition}/{repetitions} {one.name}: {seconds:.2f} s, "
                f"{items / seconds:,.0f} a second"
            )
    return result


def settled(seconds: float, busy: float = 15.0) -> bool:
    """Waits until the machine is quiet: what was done before (a flush, a collection) is over.

    Args:
        seconds: Longest wait.
        busy: Per cent of all cores below which it is quiet.

    Returns:
        Whether it became quiet.
    """
    deadline = time.monotonic() + seconds
    while True:
        if psutil.cpu_percent(interval=0.5) < busy:
            return True
        if time.monotonic() >= deadline:
            return False
