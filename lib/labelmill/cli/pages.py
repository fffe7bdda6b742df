"""``report``: the run page. ``sample``: real images to try things with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from labelmill import settings as settings_module


def report(
    collection: Annotated[str, typer.Argument(help="Collection whose labels are shown.")],
    model: Annotated[
        str, typer.Argument(help="Model whose sweep, evaluations and stream are shown.")
    ],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    kudu_masters: Annotated[
        str | None, typer.Option(help="Kudu masters. Default: settings.")
    ] = None,
    table_prefix: Annotated[str | None, typer.Option(help="Prefix of the Kudu tables.")] = None,
) -> None:
    """Write one self-contained page: sweep, confusion matrix, swap on a time line, labelled images."""
    # Spark and matplotlib take a second to import; other verbs need neither.
    from labelmill.serving import run_page
    from labelmill.serving.run_reader import read_run
    from labelmill.spark.session import session

    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    console = Console()
    spark = session("report", "local[2]", settings.home)
    try:
        with console.status("reading the catalogue"):
            written = run_page.write(read_run(spark, settings, collection, model), out)
    finally:
        spark.stop()
    console.print(f"{written.absolute()}", soft_wrap=True, highlight=False)


def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write CLASS/INDEX.png into.")],
) -> None:
    """Write 1,797 real handwritten digits (scikit-learn's) as PNG files in label folders."""
    from labelmill.testing.samples import write_digits

    write_digits(folder)
    Console().print(
        f"{sum(1 for _ in folder.rglob('*.png')):,} images in {folder}", highlight=False
    )
