"""Progress lines in a log; no Spark."""

from __future__ import annotations

import io
import re
import time
from types import SimpleNamespace

import pytest
from rich.console import Console

from labelmill.spark import progress
from labelmill.spark.progress import SparkProgress, hidden_progress


def test_a_log_gets_lines_with_rate_and_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.02)
    text = io.StringIO()
    with SparkProgress(None, "ingest c", Console(file=text, width=200), unit="files") as shown:
        shown.advance(500, 2000)
        deadline = time.monotonic() + 20
        while "left" not in text.getvalue():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    line = text.getvalue().splitlines()[0]
    assert re.match(
        r"ingest c: 500 of 2,000 files, [\d,.e+]+ files/s, about \d+ s left, \d+ s", line
    )


def test_finished_tasks_count_as_their_share_of_the_part() -> None:
    stage = SimpleNamespace(numTasks=8, numCompletedTasks=2)
    tracker = SimpleNamespace(getActiveStageIds=lambda: [3], getStageInfo=lambda _: stage)
    shown = SparkProgress(None, "x", unit="files")
    shown._tracker = tracker  # type: ignore[assignment]
    shown.advance(1000, 3000, part=400)
    shown._poll()
    assert shown._done == 1100
    tracker.getActiveStageIds = list  # between stages nothing goes back
    shown._poll()
    assert shown._done == 1100


def test_progress_that_is_hidden(capfd: pytest.CaptureFixture[str]) -> None:
    text = io.StringIO()
    with hidden_progress(), SparkProgress(None, "x") as shown:
        shown.line("a trial")
        with SparkProgress(None, "y", Console(file=text)) as own:
            own.line("who names a console sees it")
    assert capfd.readouterr() == ("", "")
    assert "sees it" in text.getvalue()
    with SparkProgress(None, "x") as shown:
        shown.line("again")
    assert capfd.readouterr().err == "again\n"
