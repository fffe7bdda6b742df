"""What a job's process ends with: exit code, message, report."""

from __future__ import annotations

import functools
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from labelmill.errors import LabelmillError, NoData, QueryRefused, StoreUnreachable
from labelmill.spark.job import Job, execute
from labelmill.spark.report import Report
from tests.helpers.forks import Forks

JOBS = Path(__file__).resolve().parents[3] / "jobs"
COMMON = {"kudu_masters": None, "kafka_brokers": None, "table_prefix": None, "master": None}


@pytest.mark.parametrize("error", [NoData("nothing"), QueryRefused("no"), StoreUnreachable("gone")])
def test_our_errors_become_exit_codes_and_a_report(
    error: LabelmillError, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(job: Job) -> Report:
        raise error

    file = tmp_path / "deep" / "report.json"
    assert execute(failing, {}, {**COMMON, "report": file}) == error.exit_code
    captured = capsys.readouterr()
    assert f"error: {error}" in captured.err
    assert "Traceback" not in captured.err
    written = json.loads(file.read_text())
    assert (written["state"], written["exit_code"], written["error"]) == (
        "failed",
        error.exit_code,
        str(error),
    )


def test_a_report_with_a_failure_keeps_its_results(tmp_path: Path) -> None:
    def partly(job: Job) -> Report:
        report = Report("partly")
        report.put("rows", 5)
        report.fail("too many bad files", 8)
        return report

    file = tmp_path / "report.json"
    assert execute(partly, {}, {**COMMON, "report": file}) == 8
    written = json.loads(file.read_text())
    assert written["results"] == {"rows": 5}
    assert written["state"] == "failed"


def test_a_report_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = []

    def working(job: Job) -> Report:
        ran.append(job.name)
        return Report("working")

    assert execute(working, {}, {**COMMON, "report": tmp_path}) == 2
    assert ran == []
    assert "--report" in capsys.readouterr().err


def test_names_that_look_like_markup_are_shown_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def quoting(job: Job) -> Report:
        report = Report("quoting")
        report.put("first", r"a\[/b].png")
        report.table("files", [{"uri": "[bold]x[/bold].png"}])
        return report

    assert execute(quoting, {}, COMMON) == 0
    shown = capsys.readouterr().out
    assert r"a\[/b].png" in shown
    assert "[bold]x[/bold].png" in shown


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_flag_that_is_no_number_is_refused_before_the_work(
    number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def asking(job: Job) -> Report:
        raise AssertionError("the job has started")

    # The bounds of typer's numbers let NaN through.
    assert execute(asking, {"max_error": float(number)}, COMMON) == 2
    assert f"error: --max-error {number}; expected a number" in capsys.readouterr().err


def test_ten_thousand_of_anything_are_not_all_shown(tmp_path: Path) -> None:
    report, console = Report("counting"), Console(file=io.StringIO(), width=120)
    report.put("classes", {f"class{n}": n for n in range(10_000)})
    report.put("versions", list(range(10_000)))
    report.table("evaluations", [{"version": n} for n in range(10_000)])
    report.print(console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.count("and 9,900 more") == 3
    assert "class99:" in shown
    assert "class100:" not in shown
    assert len(shown) < 20_000
    assert len(report.to_json()["results"]["classes"]) == 10_000


def test_settings_come_from_the_common_flags(tmp_path: Path) -> None:
    seen = []

    def looking(job: Job) -> Report:
        seen.append((job.settings.table_prefix, job.settings.kudu_masters))
        return Report("looking")

    flags = {**COMMON, "table_prefix": "x_", "kudu_masters": "h:1", "report": None}
    assert execute(looking, {}, flags) == 0
    assert seen == [("x_", "h:1")]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_signals_end_with_their_code(tmp_path: Path, number: int, code: int) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        "import threading\n"
        "from labelmill.spark.job import Job, run_job\n"
        "from labelmill.spark.report import Report\n"
        "def waiting(job: Job) -> Report:\n"
        "    '''Waits.'''\n"
        "    print('ready', flush=True)\n"
        "    threading.Event().wait(60)\n"
        "    return Report('waiting')\n"
        "run_job(waiting)\n"
    )
    report = tmp_path / "report.json"
    process = subprocess.Popen(
        [sys.executable, str(script), "--report", str(report)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LABELMILL_HOME": str(tmp_path)},
        # Tests that a shell runs in the background inherit that Ctrl-C is ignored.
        preexec_fn=functools.partial(signal.signal, number, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert "run it again" in errors
    assert json.loads(report.read_text())["exit_code"] == code


def test_nohup_outlives_the_terminal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert execute(_closing_its_terminal, {}, {**COMMON, "report": None}) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def _closing_its_terminal(job: Job) -> Report:
    os.kill(os.getpid(), signal.SIGHUP)
    return Report("closing")


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    """What jobs import of others is imported once; of ours, each job imports what it needs."""
    with Forks("pyspark.sql", "pyarrow", "pydantic_settings", "typer", "rich.console") as forks:
        yield forks


@pytest.mark.parametrize("job", sorted(path.stem for path in JOBS.glob("*.py")))
def test_help_tells_the_exit_codes(job: str, forks: Forks) -> None:
    code = """if True:
        import runpy, sys
        assert "labelmill" not in sys.modules
        sys.argv = sys.argv[1:]
        runpy.run_path(sys.argv[0], run_name="__main__")
    """
    shown = forks.run(code, str(JOBS / f"{job}.py"), "--help")
    assert shown.returncode == 0, shown.stderr
    for expected in ("Exit codes", "--report", "--kudu-masters", "130"):
        assert expected in shown.stdout
