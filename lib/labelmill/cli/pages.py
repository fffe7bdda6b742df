"""``labelmill report``: the page of a run. ``labelmill sample``: images to try labelmill with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from labelmill import settings as settings_module
from labelmill.cli.output import Masters, Prefix


def report(
    collection: Annotated[str, typer.Argument(help="Collection whose labels are shown.")],
    model: Annotated[
        str, typer.Argument(help="Model whose sweep, evaluations and stream are shown.")
    ],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """Write the page of a run as one HTML file.

    It shows the sweep, the confusion matrix, the stream's micro-batches and labelled images.
    """
    # Spark and matplotlib take a second to import, and other commands need neither.
    from labelmill.serving import run_page
    from labelmill.serving.run_reader import read_run
    from labelmill.spark.session import session

    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    console = Console()
    spark = session("report", "local[2,4]", settings.home)
    try:
        with console.status("reading the catalogue"):
            written = run_page.write(read_run(spark, settings, collection, model), out)
    finally:
        spark.stop()
    console.print(f"{written.absolute()}", soft_wrap=True, highlight=False)


def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write CLASS/INDEX.png into.")],
) -> None:
    """Write 1,797 handwritten digits as PNG files.

    They are the digits of scikit-learn, in one folder per class.
    """
    from labelmill.testing.samples import write_digits

    write_digits(folder)
    Console().print(
        f"{sum(1 for _ in folder.rglob('*.png')):,} images in {folder}", highlight=False
    )
