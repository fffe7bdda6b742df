"""Progress of Spark work, seen from the driver: a bar in a terminal, lines in a log.

A driver thread polls ``statusTracker()`` for the tasks of the running stages. A pipeline that
knows its own total (images, trials) reports it with ``advance``, and the remaining time is estimated.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:  # commands without Spark show progress too
    from pyspark.sql import SparkSession
    from pyspark.status import StatusTracker

POLL_SECONDS = 0.25
LINE_SECONDS = 5.0
"""Seconds between lines in a log (no terminal) while there is progress."""

_hidden: ContextVar[bool] = ContextVar("labelmill_progress_hidden", default=False)


@contextmanager
def hidden_progress() -> Iterator[None]:
    """Hides the progress of work that starts within the block, unless it has its own console."""
    token = _hidden.set(True)
    try:
        yield
    finally:
        _hidden.reset(token)


class SparkProgress:
    """Shows progress while a ``with`` block runs.

    Args:
        spark: The session whose stages are watched; None: none.
        title: What is being done, for example ``"ingest mnist"``.
        console: Where to show it; default stderr, so that results on stdout stay clean.
        unit: What ``advance`` counts.
    """

    def __init__(
        self,
        spark: SparkSession | None,
        title: str,
        console: Console | None = None,
        unit: str = "tasks",
    ) -> None:
        self._tracker = spark.sparkContext.statusTracker() if spark is not None else None
        self._title, self._unit = title, unit
        self._console = console or Console(stderr=True, quiet=_hidden.get())
        self._own_total = False
        self._done, self._total = 0, 0
        self._part, self._before = 0, 0
        self._tasks: int | None = None
        self._text = ""
        self._finished: dict[int, int] = {}
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="labelmill-progress", daemon=True)

    def advance(
        self,
        done: int,
        total: int | None = None,
        text: str = "",
        part: int | None = None,
        tasks: int | None = None,
    ) -> None:
        """Reports progress in the caller's own unit, which replaces the count of tasks.

        Args:
            done: Units done since the start.
            total: Units in total; None if unknown.
            text: A word on what is being done now.
            part: Units of the Spark stage that runs next: each finished task counts as its share.
            tasks: Number of tasks of that stage, to tell it from other stages of the same action.
        """
        self._own_total = True
        self._tasks = tasks
        self._part, self._before = part or 0, done
        self._done, self._total, self._text = done, total or 0, text

    def line(self, text: str) -> None:
        """Prints a line that stays."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> SparkProgress:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        # A poll in flight when the JVM dies must not keep the job from ending.
        self._thread.join(timeout=2.0)

    def _watch(self) -> None:
        if self._console.is_terminal:
            self._watch_bar()
        else:
            self._watch_lines()

    def _watch_bar(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(self._title, total=None, rate="")
            while not self._stop.wait(POLL_SECONDS):
                self._poll()
                bar.update(
                    task,
                    completed=self._done,
                    total=self._total or None,
                    description=f"{self._title} {self._text}".rstrip(),
                    rate=self._rate(),
                )

    def _watch_lines(self) -> None:
        shown, last = "", time.monotonic()
        while not self._stop.wait(POLL_SECONDS):
            if time.monotonic() - last < LINE_SECONDS:
                continue
            self._poll()
            last, text = time.monotonic(), self._sentence()
            if text != shown:
                self.line(f"{text}, {last - self._started:.0f} s")
                shown = text

    def _sentence(self) -> str:
        of = f" of {self._total:,}" if self._total else ""
        rest = f", {rate}" if (rate := self._rate()) else ""
        if self._own_total and self._total and self._done:
            seconds = (time.monotonic() - self._started) * (self._total - self._done) / self._done
            rest += f", about {seconds:.0f} s left"
        return f"{self._title}: {self._done:,}{of} {self._unit} {self._text}".rstrip() + rest

    def _rate(self) -> str:
        if not self._own_total or not self._done:
            return ""
        rate = self._done / (time.monotonic() - self._started)
        return f"{rate:,.0f} {self._unit}/s" if rate >= 10 else f"{rate:.2g} {self._unit}/s"

    def _poll(self) -> None:
        if self._tracker is None or (self._own_total and not self._part):
            return
        try:
            if self._own_total:
                self._done = self._before + self._share_done(self._tracker)
                return
            total = 0
            for stage in self._tracker.getActiveStageIds():
                info = self._tracker.getStageInfo(stage)
                if info is not None:
                    self._finished[stage] = info.numCompletedTasks
                    total += info.numTasks - info.numCompletedTasks
            self._done = sum(self._finished.values())
            self._total = self._done + total
        except Exception:
            # The session is stopping: not worth an error.
            self._tracker = None

    def _share_done(self, tracker: StatusTracker) -> int:
        for stage in tracker.getActiveStageIds():
            info = tracker.getStageInfo(stage)
            if info is not None and info.numTasks and self._tasks in (None, info.numTasks):
                return self._part * info.numCompletedTasks // info.numTasks
        return self._done - self._before
