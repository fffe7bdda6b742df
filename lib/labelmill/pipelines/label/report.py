"""What a labelling stream has done: one line per micro-batch, a report at the end."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console

from labelmill.spark.report import Report

_LATENCIES = 10_000
"""Micro-batches whose durations are kept: memory must not grow in a stream that runs for months."""


@dataclass
class Span:
    """Consecutive micro-batches labelled by one version."""

    version: int
    first_batch: int
    last_batch: int
    batches: int
    rows: int


class StreamTotals:
    """Counts what a stream labels and prints a line per micro-batch.

    Args:
        query: Name of the stream.
        console: Where the lines go.

    Attributes:
        seen: Messages labelled, refused, repeated, or without a value.
    """

    def __init__(self, query: str, console: Console) -> None:
        self._query, self._console = query, console
        self._report = Report("label_stream")
        self._reasons: Counter[str] = Counter()
        self._spans: list[Span] = []
        self._milliseconds: deque[int] = deque(maxlen=_LATENCIES)
        self._warnings: dict[str, int] = {}
        self._replayed = self._repeated = self._empty = 0
        self._rows = 0
        self.seen = 0

    def add(
        self,
        batch_id: int,
        version: int,
        rows: int,
        reasons: Sequence[str],
        milliseconds: int,
        replay: bool,
        repeated: int = 0,
        empty: int = 0,
    ) -> None:
        """Adds a finished micro-batch.

        Args:
            rows: Images labelled.
            reasons: Of each dead letter.
            replay: An earlier run had pinned it.
            repeated: Further messages with an image that the micro-batch has labelled.
            empty: Messages without a value.
        """
        self._rows += rows
        self._repeated += repeated
        self._empty += empty
        self.seen += rows + len(reasons) + repeated + empty
        self._reasons.update(reasons)
        self._milliseconds.append(milliseconds)
        self._replayed += replay
        if not self._spans or self._spans[-1].version != version:
            self._spans.append(Span(version, batch_id, batch_id, 0, 0))
        span = self._spans[-1]
        span.last_batch, span.batches, span.rows = batch_id, span.batches + 1, span.rows + rows
        speed = 1000 * (rows + len(reasons)) / max(milliseconds, 1)
        dead = f", {len(reasons):,} dead" if reasons else ""
        dead += f", {repeated:,} repeated" if repeated else ""
        dead += f", {empty:,} without a value" if empty else ""
        self._line(
            f"batch {batch_id}: version {version}, {rows:,} labelled{dead}, "
            f"{milliseconds:,} ms, {speed:,.0f}/s{' (replay)' if replay else ''}"
        )

    def warn(self, text: str) -> None:
        """Prints a warning now and repeats it in the report."""
        if text not in self._warnings and len(self._warnings) < 20:
            self._warnings[text] = len(self._milliseconds)
        self._line(f"warning: {text}")

    def report(self, ended: str) -> Report:
        """The closing report."""
        report = self._report
        report.put("query", self._query)
        report.put("ended", ended)
        report.put("batches", sum(span.batches for span in self._spans))
        report.put("labelled", self._rows)
        report.put("dead_letters", sum(self._reasons.values()))
        report.put("dead_letters_by_reason", dict(sorted(self._reasons.items())))
        report.put("repeated", self._repeated)
        report.put("without_value", self._empty)
        report.put("replayed_batches", self._replayed)
        if self._milliseconds:
            ordered = sorted(self._milliseconds)
            report.put("batch_milliseconds_median", ordered[len(ordered) // 2])
            report.put("batch_milliseconds_max", ordered[-1])
        report.table("versions", [asdict(span) for span in self._spans[-100:]])
        for text in self._warnings:
            report.note(text)
        return report

    def _line(self, text: str) -> None:
        # A closed pipe must not end the stream: rich raises SystemExit then, which in the thread
        # that runs `foreachBatch` would leave the query waiting forever.
        with contextlib.suppress(SystemExit, OSError):
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)
