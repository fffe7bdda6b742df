"""Requests to stop from outside: SIGTERM, a closed terminal (SIGHUP), Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

CODE = 143
"""Exit code after SIGTERM and after SIGHUP; the sender of a SIGHUP does not see it."""


_SEND_AGAIN_S = 0.01


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived; not an Exception, so that nothing swallows it on its way out."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        self.number = number
        self.name = signal.Signals(number).name
        super().__init__(f"stopped by {self.name}")


def raise_when_stopped() -> Callable[[], None]:
    """Makes SIGTERM and SIGHUP raise `Terminated` in the main thread, and no stop get lost.

    A SIGHUP that is ignored stays ignored: that is what ``nohup`` asks for.

    Python runs a signal's handler between any two instructions of the main thread. Where these belong
    to a finalizer (py4j has one for each object of the JVM), Python prints what the handler raises and
    goes on. Such a signal is sent again.

    Returns:
        A function that restores the former handlers.
    """
    before = {
        number: signal.signal(number, _terminate)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN
    }

    report = sys.unraisablehook

    def send_again(lost: sys.UnraisableHookArgs) -> None:
        number = _number_of(lost.exc_value)
        if number is None:
            report(lost)
        else:
            # By another thread and later: now it would raise here, and be lost once more.
            again = threading.Timer(_SEND_AGAIN_S, _send_to_main_thread, (number,))
            again.daemon = True
            again.start()

    sys.unraisablehook = send_again

    def restore() -> None:
        for number, former in before.items():
            signal.signal(number, former)
        if sys.unraisablehook is send_again:
            sys.unraisablehook = report

    return restore


@contextlib.contextmanager
def held(all_but_first: bool = False) -> Iterator[None]:
    """Delays Ctrl-C, SIGTERM and SIGHUP until the block has ended.

    It uses handlers, not a mask: a mask applies to one thread, and Python runs handlers in the main
    thread whichever thread received the signal. Outside the main thread nothing is delayed.

    Args:
        all_but_first: The first signal is not delayed: the work that it interrupts can clean up in
            this block, and a second signal does not interrupt that.
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
        # Where the system's default ends the process, Python has no handler to call for the first.
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


def _number_of(error: BaseException | None) -> int | None:
    if isinstance(error, Terminated):
        return error.number
    return signal.SIGINT if isinstance(error, KeyboardInterrupt) else None


def _send_to_main_thread(number: int) -> None:
    ident = threading.main_thread().ident
    if ident is not None:
        # To that thread: only so a system call that it waits in is interrupted.
        signal.pthread_kill(ident, number)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)
