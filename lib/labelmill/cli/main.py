"""The ``labelmill`` command: registers one function per verb."""

from __future__ import annotations

import os

import typer

from labelmill.cli import annotate, cluster, digest, doctor, models, pages, prune, slices, sql
from labelmill.cli.exit_codes import verb
from labelmill.errors import EXIT_CODES, exit_codes_text
from labelmill.version import __version__

_CODES = {code: EXIT_CODES[code] for code in (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 130, 143)}

app = typer.Typer(
    name="labelmill",
    help="Turn collections of images into labels you can trust, on Spark, Kudu and Kafka.",
    epilog=exit_codes_text(_CODES) + " LABELMILL_DEBUG=1 shows where an error came from.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("up")(verb(cluster.up))
app.command("status")(verb(cluster.status))
app.command("down")(verb(cluster.down))
app.command("doctor")(verb(doctor.doctor))
app.command("sql")(verb(sql.sql))
app.command("annotate")(verb(annotate.annotate))
app.command("digest")(verb(digest.digest))
app.command("prune")(verb(prune.prune))
app.add_typer(models.app, name="models")
app.add_typer(slices.app, name="slice")
app.command("report")(verb(pages.report))
app.command("sample")(verb(pages.sample))


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def main() -> None:
    """Runs the command; ends the process with its exit code."""
    if not os.environ.get("JAVA_HOME"):  # bin/labelmill sets it, an installed command may not
        from labelmill.devcluster.java import choose_java

        choose_java()
    app()


if __name__ == "__main__":
    main()
