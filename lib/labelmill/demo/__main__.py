"""``bin/demo``: images in, labels out, on this machine, with every server real."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from labelmill import settings as settings_module
from labelmill.cli.exit_codes import verb
from labelmill.demo import run as story
from labelmill.errors import InputError


def demo(
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder, .tar or .tar.gz of PNG files in label folders. Default: 1,797 digits."
        ),
    ] = None,
    sweep: Annotated[
        Path | None,
        typer.Option(help="Sweep file. Default: conf/sweeps/digits.yaml, or mnist.yaml."),
    ] = None,
    max_error: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Acceptable error, stated first. Default: 0.04; with --images, the "
            "error of always naming the commonest class.",
        ),
    ] = None,
    report: Annotated[Path, typer.Option(help="Page to write.")] = Path("report.html"),
    master: Annotated[
        str, typer.Option(help="Spark master of everything but the stream.")
    ] = "local-cluster[2,1,1024]",
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the servers up, to look around.")
    ] = False,
) -> None:
    """The main job, start to end: up, ingest, slice, sweep, evaluate, stream, swap, report, down.

    Everything lives below HOME/demo and begins anew each time. Ctrl-C leaves nothing running.
    """
    if images is not None and not images.exists():
        raise InputError(
            f"--images {str(images)!r} does not exist; expected a folder, .tar or .tar.gz"
        )
    chosen = story.Choices(images, sweep, max_error, report, master, keep)
    story.run(settings_module.load(), chosen, Console(highlight=False))


def main() -> None:
    """Runs the demo; ends the process with its exit code."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(
        help=demo.__doc__,
        epilog="Exit codes: 0 done; 2 an invalid flag or file; 3 too few images; 8 no version "
        "meets the acceptable error; 9 the servers; 10 all trials failed; 130 Ctrl-C; all: docs/reference/exit_codes.md.",
    )(verb(demo))
    app()


if __name__ == "__main__":
    main()
