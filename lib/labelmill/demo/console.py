"""One line a step: what happens, how long it took, what to look at."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class Step:
    """What a step has to say while it runs and when it is done.

    Args:
        console: Where lines go.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self.result = "done"
        self.look_at: tuple[str, ...] = ()

    def say(self, text: str) -> None:
        """A line while the step runs."""
        self._console.print(f"       [dim]{escape(text)}[/dim]", soft_wrap=True)

    def done(self, result: str, *look_at: str) -> None:
        """Sets the closing line and what to look at."""
        self.result, self.look_at = result, look_at


class Stages:
    """Counts the steps and keeps their times for the summary.

    Args:
        console: Where the lines go.
        total: Number of steps.
    """

    def __init__(self, console: Console, total: int) -> None:
        self.console, self.total = console, total
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, doing: str) -> Iterator[Step]:
        """One step; the closing line appears when it ended well."""
        number = len(self.seconds) + 1
        self.console.print(
            f"[bold]{number:>2}/{self.total}  {name}[/bold]  [dim]{escape(doing)}[/dim]"
        )
        started = time.monotonic()
        step = Step(self.console)
        yield step
        self.seconds[name] = time.monotonic() - started
        self.console.print(
            f"       [green]✓[/green] {escape(step.result)}  [dim]{self.seconds[name]:.1f} s[/dim]",
            soft_wrap=True,
        )
        for line in step.look_at:
            self.console.print(f"       [dim]→ {escape(line)}[/dim]", soft_wrap=True)
