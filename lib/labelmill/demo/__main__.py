"""``bin/demo``: images in, labels out, on this machine with real servers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from labelmill import settings as settings_module
from labelmill.cli.exit_codes import verb
from labelmill.demo.run import Choices, run_demo
from labelmill.errors import InputError


def demo(
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder, .tar or .tar.gz of PNG files in one folder per class. Default: 1,797 digits."
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
            help="Acceptable error (1 - accuracy). Default: 0.04; with --images, the error of always "
            "predicting the most frequent class: a version that is no worse is accepted.",
        ),
    ] = None,
    report: Annotated[Path, typer.Option(help="HTML page to write.")] = Path("report.html"),
    master: Annotated[
        str, typer.Option(help="Spark master for everything but the stream.")
    ] = "local-cluster[2,1,1024]",
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the servers running when the demo ends.")
    ] = False,
) -> None:
    """Run the whole pipeline: up, ingest, slice, sweep, evaluate, stream, swap, report, down.

    All files are in HOME/demo and are replaced by the next run. Ctrl-C stops everything it started.
    """
    if images is not None and not images.exists():
        raise InputError(
            f"--images {str(images)!r} does not exist; expected a folder, .tar or .tar.gz"
        )
    choices = Choices(images, sweep, max_error, report, master, keep)
    run_demo(settings_module.load(), choices, Console(highlight=False))


def main() -> None:
    """Runs the demo; ends the process with its exit code."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(
        help=demo.__doc__,
        epilog="Exit codes: 0 done; 2 an invalid flag or file; 3 too few images; 8 no version "
        "meets the acceptable error; 9 the servers; 10 all trials failed; "
        "130 Ctrl-C; all: docs/reference/exit_codes.md.",
    )(verb(demo))
    app(prog_name="bin/demo")


if __name__ == "__main__":
    main()
