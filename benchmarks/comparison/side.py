"""One checkout's side of a comparison; a script that `Side` runs with that checkout's Python.

``side.py ROOT`` imports the benchmark of the checkout at ROOT, which may be an older one, and takes the
place of its ``race``: warms up the contestants that are named, then times one per request until its stdin ends. It imports
nothing of this checkout.

One JSON object a line. In: ``benchmark``, ``contestants``, ``quick``, ``cores`` first; then
``run`` (a contestant) and ``repetition``. Out: ``ready`` (the contestants found), then ``items`` and
``seconds`` of each turn; or ``error``.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from types import FrameType, ModuleType
from typing import Any, NoReturn, TextIO

TIMING = ("benchmarks.measure.timing", "benchmarks.harness.timing")
OPTIONS = ("benchmarks.measure.options", "benchmarks.harness.options")
"""Where a checkout has them, newest first."""

OUR_PEER = "labelmill"
"""The folder of our own scripts among the peers of a race of epochs."""


class Finished(BaseException):
    """Everything was measured; unwinds the benchmark, so that it stops its servers."""


def main(root: str) -> None:
    """Measures until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library or a server prints must not be taken for an answer
    signal.signal(signal.SIGTERM, _stop)
    # The first entry is this script's folder.
    sys.path[0] = root
    asked = json.loads(sys.stdin.readline())
    try:
        timing, options = _first(TIMING), _first(OPTIONS)
        timing.__dict__["race"] = lambda contestants, *_: _turns(contestants, asked, answers)
        # Imported after that: it takes `race` by name.
        benchmark = importlib.import_module(f"benchmarks.{asked['benchmark']}")
        if hasattr(benchmark, "WAYS"):
            # Each way to feed is a process that is started before the race.
            ways = [way for way in benchmark.WAYS if way.peer == OUR_PEER]
            benchmark.__dict__["WAYS"] = ways
        benchmark.run(options.Options(asked["quick"], 1, asked["cores"]))
    except Finished:
        return
    except Exception as error:
        _tell(answers, error=f"{type(error).__name__}: {error}")
        raise
    _tell(answers, error=f"{asked['benchmark']} has no race; nothing to compare")


def _turns(contestants: list[Any], asked: dict[str, Any], answers: TextIO) -> NoReturn:
    ours = {one.name: one for one in contestants if one.name in asked["contestants"]}
    for one in ours.values():
        if one.warm is not None:
            one.warm()
            continue
        one.run(0)
        if one.check is not None:
            one.check(0)
    _tell(answers, ready=list(ours))
    for line in sys.stdin:
        turn = json.loads(line)
        one, repetition = ours[turn["run"]], turn["repetition"]
        started = time.perf_counter()
        items = one.run(repetition)
        seconds = time.perf_counter() - started
        if one.check is not None:
            one.check(repetition)
        _tell(answers, items=items, seconds=seconds)
    raise Finished


def _first(names: tuple[str, ...]) -> ModuleType:
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError(f"none of {', '.join(names)} is in {sys.path[0]}")


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    raise Finished


def _tell(answers: TextIO, **what: Any) -> None:
    answers.write(json.dumps(what) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
