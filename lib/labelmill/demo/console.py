"""What the demo prints per step: what it does, how long it took, where to look."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class RunningStep:
    """A step that runs: its lines, and its result once it is done.

    Args:
        console: Where lines go.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self.result = "done"
        self.details: tuple[str, ...] = ()

    def say(self, text: str) -> None:
        """Prints a line while the step runs."""
        self._console.print(f"       [dim]{escape(text)}[/dim]", soft_wrap=True)

    def done(self, result: str, *details: str) -> None:
        """Sets the closing line, and lines to print below it."""
        self.result, self.details = result, details


class DemoProgress:
    """Numbers the steps and keeps their durations for the summary.

    Args:
        console: Where the lines go.
        total: Number of steps.
    """

    def __init__(self, console: Console, total: int) -> None:
        self.console, self.total = console, total
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, doing: str) -> Iterator[RunningStep]:
        """Runs one step; prints its closing line when it succeeds."""
        number = len(self.seconds) + 1
        self.console.print(
            f"[bold]{number:>2}/{self.total}  {name}[/bold]  [dim]{escape(doing)}[/dim]"
        )
        started = time.monotonic()
        step = RunningStep(self.console)
        yield step
        self.seconds[name] = time.monotonic() - started
        self.console.print(
            f"       [green]✓[/green] {escape(step.result)}  [dim]{self.seconds[name]:.1f} s[/dim]",
            soft_wrap=True,
        )
        for line in step.details:
            self.console.print(f"       [dim]→ {escape(line)}[/dim]", soft_wrap=True)
