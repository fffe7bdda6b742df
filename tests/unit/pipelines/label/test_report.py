"""Reporting progress never ends the stream."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from labelmill.pipelines.label.report import StreamTotals


class Gone(io.StringIO):
    """A pipe whose reader has left."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


class KeepsStdout(Console):
    """Rich's console, but without putting /dev/null in the place of the test run's stdout."""

    def on_broken_pipe(self) -> None:
        raise SystemExit(1)


@pytest.mark.parametrize("batches", [1, 3])
def test_a_reader_that_has_gone_does_not_end_the_stream(batches: int) -> None:
    totals = StreamTotals("incoming", KeepsStdout(file=Gone()))
    for batch in range(batches):
        totals.add(batch, 1, 10, [], 100, False)
    assert totals.seen == 10 * batches
