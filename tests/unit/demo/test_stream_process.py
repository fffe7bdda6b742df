"""The demo's child process: watched, stopped, and gone with everything that it started."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from labelmill.demo.stream_process import StreamProcess
from labelmill.errors import LabelmillError

READY = "import pathlib, signal, sys, time; "
TOUCH = "pathlib.Path('ready').write_text('x'); "


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def process(program: str, folder: Path) -> StreamProcess:
    return StreamProcess(["-c", READY + program], folder / "logs" / "stream.log", {"ANSWER": "42"})


def test_it_waits_for_a_condition_and_stops_cleanly(run: Path) -> None:
    program = "signal.signal(15, lambda *_: sys.exit(0)); " + TOUCH + "time.sleep(60)"
    with process(program, run) as stream:
        stream.wait_until((run / "ready").exists, "it was ready", 30)
        stream.stop()


def test_an_end_before_the_condition_shows_the_log(run: Path) -> None:
    program = "import os; print('line', os.environ['ANSWER']); sys.exit(3)"
    with (
        pytest.raises(
            LabelmillError, match=r"ended with exit code 3 before it was ready"
        ) as caught,
        process(program, run) as stream,
    ):
        stream.wait_until(lambda: False, "it was ready", 30)
    assert str(caught.value).endswith("line 42")


def test_a_condition_that_never_holds_ends_the_wait(run: Path) -> None:
    with (
        pytest.raises(LabelmillError, match=r"not within 0 s: it was ready"),
        process("time.sleep(60)", run) as stream,
    ):
        stream.wait_until(lambda: False, "it was ready", 0.3)


def test_an_error_on_stopping_is_an_error(run: Path) -> None:
    program = "signal.signal(15, lambda *_: sys.exit(7)); " + TOUCH + "time.sleep(60)"
    with process(program, run) as stream:
        stream.wait_until((run / "ready").exists, "it was ready", 30)
        with pytest.raises(LabelmillError, match="exit code 7"):
            stream.stop()


def test_what_it_started_does_not_outlive_it(run: Path) -> None:
    child = "import subprocess; c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    program = (
        child
        + "pathlib.Path('part').write_text(str(c.pid)); pathlib.Path('part').rename('pid'); time.sleep(60)"
    )
    with process(program, run) as stream:
        stream.wait_until((run / "pid").exists, "it was ready", 30)
        pid = int((run / "pid").read_text())
        assert os.getpgid(pid) != os.getpgid(0)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)
