"""The frame of all jobs in ``jobs/``: common flags, one exit code per kind of error, a report.

A job is a function ``(job: Job, …own flags…) -> Report``; `run_job` turns it into a command::

    def ingest_images(job: Job, source: Annotated[str, typer.Argument(help="…")]) -> Report:
        '''Shown by --help.'''
        return ingest(job.spark(), job.settings, source, …)

    if __name__ == "__main__":
        run_job(ingest_images)

Ctrl-C ends with 130, SIGTERM and a closed terminal with 143 (unless the job handles the signal
itself); Spark is stopped.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import os
import sys
import time
import traceback
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from pyspark.sql import SparkSession
from rich.console import Console

from labelmill.errors import EXIT_CODES, InputError, LabelmillError, exit_codes_text
from labelmill.settings import Settings, load
from labelmill.signals import CODE, Terminated, raise_when_stopped
from labelmill.spark.report import Report
from labelmill.spark.session import session, stop_now

_COMMON = (0, 1, 2, 3, 4, 130, CODE)
"""Exit codes of every job; a job adds its own."""

_FLAGS: dict[str, Any] = {
    "kudu_masters": Annotated[
        str | None,
        typer.Option(
            help="Kudu masters, HOST:PORT[,…]. Default: settings.", rich_help_panel="Common"
        ),
    ],
    "kafka_brokers": Annotated[
        str | None,
        typer.Option(
            help="Kafka brokers, HOST:PORT[,…]. Default: settings.", rich_help_panel="Common"
        ),
    ],
    "table_prefix": Annotated[
        str | None,
        typer.Option(
            help="Prefix of the Kudu tables. Default: settings.", rich_help_panel="Common"
        ),
    ],
    "report": Annotated[
        Path | None,
        typer.Option(help="Write the closing report to this JSON file.", rich_help_panel="Common"),
    ],
    "master": Annotated[
        str | None,
        typer.Option(
            help="Spark master, when not started by spark-submit.", rich_help_panel="Common"
        ),
    ],
}


class Job:
    """The context that `run_job` passes to a job.

    Attributes:
        settings: Settings with the common flags applied.
        console: Console for results (stdout).
        started_ms: When the job started, milliseconds since 1970 UTC: what a job reads "now" it reads at
            this moment. Once Spark runs, the moment is old enough to be read without waiting.
    """

    def __init__(self, name: str, settings: Settings, master: str | None) -> None:
        self.name, self.settings, self._master = name, settings, master
        self.started_ms = int(time.time() * 1000) + 1
        # A pipe or file has no width of its own; 80 would fold digests and reasons.
        self.console = Console(width=None if sys.stdout.isatty() else 120)
        self._spark: SparkSession | None = None

    def spark(self, **conf: str) -> SparkSession:
        """The Spark session, started at the first call and stopped when the job ends."""
        if self._spark is None:
            self._spark = session(self.name, self._master, self.settings.home, **conf)
        return self._spark

    def stop(self, at_once: bool = False) -> None:
        """Stops Spark if it was started, also if its JVM has ended already.

        Args:
            at_once: Cancel running work; for interrupts.
        """
        spark, self._spark = self._spark, None
        if spark is not None and at_once:
            stop_now(spark)
        elif spark is not None:
            with contextlib.suppress(Exception):
                spark.stop()


def run_job(main: Callable[..., Report], codes: Mapping[int, str] | None = None) -> typing.NoReturn:
    """Turns `main` into a command and runs it with this process's arguments.

    Args:
        main: The job; its docstring is the help text, its parameters after ``job`` its flags.
        codes: Exit codes of this job beyond the common ones, with their meaning.

    Raises:
        SystemExit: Always, with the exit code.
    """
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    all_codes = {code: EXIT_CODES[code] for code in _COMMON} | dict(codes or {})
    app.command(help=inspect.getdoc(main), epilog=exit_codes_text(all_codes))(_command(main))
    app()
    raise AssertionError("typer returned")


def _command(main: Callable[..., Report]) -> Callable[..., None]:
    hints = typing.get_type_hints(main, include_extras=True)
    own = [p for p in inspect.signature(main).parameters.values() if p.name != "job"]
    parameters = [p.replace(annotation=hints[p.name], kind=p.KEYWORD_ONLY) for p in own]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=flag)
        for name, flag in _FLAGS.items()
    ]

    def command(**given: Any) -> None:
        common = {name: given.pop(name) for name in _FLAGS}
        code = execute(main, given, common)
        raise typer.Exit(code)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def execute(
    main: Callable[..., Report], flags: Mapping[str, Any], common: Mapping[str, Any]
) -> int:
    """Runs the job and maps its outcome to an exit code.

    Args:
        main: The job.
        flags: The job's own flags by name.
        common: ``kudu_masters``, ``kafka_brokers``, ``table_prefix``, ``report``, ``master``.

    Returns:
        The exit code; the report is printed, and written to the path ``report`` if given.
    """
    name = main.__name__
    errors = Console(stderr=True)
    job: Job | None = None
    report = Report(name)
    restore = raise_when_stopped()
    try:
        for flag, value in flags.items():
            # The bounds of a number's flag let NaN through, which is in no order.
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"--{flag.replace('_', '-')} {value}; expected a number")
        if common.get("report") is not None:
            Report.check_path(common["report"])
        named = {k: common.get(k) for k in ("kudu_masters", "kafka_brokers", "table_prefix")}
        job = Job(name, load(**named), common.get("master"))
        report = main(job, **flags)
        report.close()
        report.print(job.console)
        if report.error is not None:
            _say(errors, report.error)
    except (KeyboardInterrupt, Terminated) as stop:
        if isinstance(stop, Terminated):
            report.fail(str(stop), CODE)
        else:
            report.fail("interrupted", 130)
        _say(errors, f"{name} was {report.error}; run it again to continue")
    except LabelmillError as error:
        report.fail(str(error), error.exit_code)
        _say(errors, str(error))
    except Exception as error:
        report.fail(f"{type(error).__name__}: {_first_line(error)}", 1)
        _say(errors, report.error or "")
        if os.environ.get("LABELMILL_DEBUG"):
            traceback.print_exc()
        else:
            _say(errors, "set LABELMILL_DEBUG=1 to see where", prefix="")
    finally:
        report.close()
        if job is not None:
            job.stop(at_once=report.exit_code in (130, CODE))
        restore()
    if common.get("report") is not None and not _write_report(report, common["report"], errors):
        return report.exit_code or 2
    return report.exit_code


def _write_report(report: Report, path: Path, errors: Console) -> bool:
    try:
        report.write(path)
    except (OSError, ValueError) as error:
        _say(errors, f"the report was not written to {path}: {error}")
        return False
    return True


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    # Spark puts the worker's Python traceback into the message; its last line says what happened.
    python = [line for line in lines if "labelmill.errors." in line]
    return (python or lines or [repr(error)])[0].strip()


def _say(console: Console, text: str, prefix: str = "error: ") -> None:
    with contextlib.suppress(OSError):  # the terminal may be closed
        console.print(prefix + text, markup=False, highlight=False, soft_wrap=True)
        # spark-submit pipes our output; a last line must not wait for a buffer.
        sys.stderr.flush()


__all__ = ["Job", "execute", "run_job"]
