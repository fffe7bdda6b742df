"""The ``labelmill`` command: one line a verb."""

from __future__ import annotations

import contextlib
import os

import typer

from labelmill import __version__
from labelmill.cli import cluster, digest, doctor, models, pages, slices, sql
from labelmill.cli.exit_codes import verb
from labelmill.errors import LabelmillError

EXIT_CODES = (
    "Exit codes: 0 done; 1 an error that is none of these; 2 a flag, setting or file that cannot be "
    "meant; 3 no data; 4 Kudu; 5 Kafka; 6 a model that is not what was stored; 7 SQL refused; "
    "9 the one-machine servers; 130 Ctrl-C; 143 SIGTERM."
)

app = typer.Typer(
    name="labelmill",
    help="Heaps of images into labels that can be trusted, on Spark, Kudu and Kafka.",
    epilog=EXIT_CODES + " LABELMILL_DEBUG=1 shows where an error came from.",
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
app.command("digest")(verb(digest.digest))
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
    _choose_java()
    app()


def _choose_java() -> None:
    """Spark and jpype look at JAVA_HOME; bin/labelmill sets it, an installed command may not."""
    if os.environ.get("JAVA_HOME"):
        return
    from labelmill.devcluster.java import java_home

    with contextlib.suppress(LabelmillError):  # whoever needs Java says so better
        os.environ["JAVA_HOME"] = str(java_home())


if __name__ == "__main__":
    main()
