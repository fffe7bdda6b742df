"""The closing screen of the demo: results first, then where to look."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from labelmill.demo.console import DemoProgress
from labelmill.serving.run_data import Run
from labelmill.settings import Settings


def show_summary(
    console: Console,
    run: Run,
    promoted: int,
    progress: DemoProgress,
    page: Path,
    seconds: float,
) -> None:
    """Prints what was made, how good it is, and how long it took.

    Args:
        console: Where to.
        run: What was made.
        promoted: The version that the evaluation promoted.
        progress: How long each step took.
        page: The report.
        seconds: How long the whole took.
    """
    console.print()
    table = Table(title=f"{run.collection} · {run.model}", title_justify="left", show_header=False)
    table.add_row("images", f"{run.images:,}, {run.quarantined:,} quarantined")
    done = sum(curve.state == "done" for curve in run.curves)
    table.add_row("sweep", f"{done} of {len(run.curves)} trials became model versions")
    measured = next((one for one in run.measured if one.version == promoted), None)
    if measured is not None:
        table.add_row(
            "promoted",
            f"version {promoted}: held-out accuracy {measured.accuracy:.4f} on "
            f"{measured.rows:,} images, F1 {measured.f1_macro:.4f}",
        )
    for tally in run.tallies:
        share = f", {tally.right / tally.known:.4f} correct" if tally.known else ""
        table.add_row(f"version {tally.version}", f"labelled {tally.labels:,} images{share}")
    table.add_row("micro-batches", f"{len(run.batches)}; the swap is between two of them")
    slowest = max(progress.seconds, key=lambda name: progress.seconds[name])
    table.add_row(
        "time",
        f"{seconds:.0f} s; the longest step was {slowest} with {progress.seconds[slowest]:.0f} s",
    )
    console.print(table)
    console.print(f"Open [bold]{page.absolute()}[/bold]", soft_wrap=True)


def show_next_commands(console: Console, settings: Settings, collection: str, model: str) -> None:
    """Prints commands to try while the servers run."""
    here = f"{command_prefix(settings)} bin/labelmill"
    console.print("\nThe servers keep running. Try:")
    for command in (
        f'{here} sql "select class, count(*) n from truth group by class order by class"',
        f'{here} sql "select version, decision, count(*) n from labels group by all order by all"',
        f'{here} sql "select model, version, accuracy, accepted, reasons from evaluations"',
        f"{here} models list",
        f"{here} models alias {model} production 1",
        f"{here} digest {collection}",
        f"{here} down",
    ):
        console.print(f"  {command}", soft_wrap=True, markup=False)


def command_prefix(settings: Settings) -> str:
    """The environment variables that make a command use the demo's servers and tables."""
    return f"LABELMILL_HOME={settings.home} LABELMILL_TABLE_PREFIX={settings.table_prefix}"
