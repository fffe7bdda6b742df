"""Requests to stop reach the work, wherever Python was when they arrived."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import weakref

import pytest

from labelmill.signals import Terminated, raise_when_stopped

DEADLINE_S = 30


class Kept:
    """Something that a callback can be told of when it goes."""


@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated), (signal.SIGHUP, Terminated)],
)
def test_a_signal_within_a_finalizer_still_stops_the_work(
    number: signal.Signals, raised: type[BaseException]
) -> None:
    before = sys.unraisablehook
    python = signal.signal(signal.SIGINT, signal.default_int_handler)
    # Under nohup it is ignored, and stays so.
    hang_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    restore = raise_when_stopped()
    try:
        kept = [Kept()]
        # A plain callback, as py4j's: Python prints what is raised in it, and goes on.
        reference = weakref.ref(kept[0], lambda _: signal.raise_signal(number))
        with pytest.raises(raised):
            _drop_and_wait(kept)
        assert reference() is None
    finally:
        restore()
        signal.signal(signal.SIGINT, python)
        signal.signal(signal.SIGHUP, hang_up)
    assert sys.unraisablehook is before


def _drop_and_wait(kept: list[Kept]) -> None:
    kept.clear()
    threading.Event().wait(DEADLINE_S)


def test_what_else_a_finalizer_raises_is_printed_as_before() -> None:
    code = """if True:
        from labelmill.signals import raise_when_stopped
        class Broken:
            def __del__(self):
                raise ValueError("in a finalizer")
        restore = raise_when_stopped()
        Broken()
        restore()
    """
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert "ValueError: in a finalizer" in answer.stderr
