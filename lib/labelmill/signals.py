"""Being asked to stop from outside: SIGTERM, a closed terminal (SIGHUP), Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

CODE = 143
"""Exit code after SIGTERM, and after SIGHUP, whose sender does not see it."""


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived; not an Exception, so that nothing swallows it on its way out."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        self.name = signal.Signals(number).name
        super().__init__(f"stopped by {self.name}")


def raise_when_stopped() -> Callable[[], None]:
    """From now on SIGTERM and SIGHUP raise `Terminated` in the main thread.

    A SIGHUP that is ignored stays so: that is what ``nohup`` asks for.

    Returns:
        What puts the former handlers back.
    """
    before = {
        number: signal.signal(number, _terminate)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN
    }

    def restore() -> None:
        for number, former in before.items():
            signal.signal(number, former)

    return restore


@contextlib.contextmanager
def held(all_but_first: bool = False) -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP wait until the block has ended.

    By handlers, not by a mask: a mask holds for one thread, and Python runs the handler in the main
    thread whichever thread got the signal. Outside the main thread nothing needs to be held.

    Args:
        all_but_first: The first comes through; so what it interrupts can clean up in this block and
            no second one cuts that off.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    seen: list[int] = []
    before: dict[int, Any] = {}

    def handler(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if all_but_first and len(seen) == 1:
            before[number](number, frame)
        elif not all_but_first:
            waiting.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        former = signal.getsignal(number)
        # Nothing in Python can come through when the system ends the process by itself.
        if former is not signal.SIG_IGN and (callable(former) or not all_but_first):
            before[number] = former
            signal.signal(number, handler)
    try:
        yield
    finally:
        for held_number, former in before.items():
            signal.signal(held_number, former)
        if waiting:
            signal.raise_signal(waiting[0])


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)
