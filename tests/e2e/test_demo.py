"""The demo as a user runs it: it succeeds, its page is complete, nothing is left running."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.train


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    (home / "jars").symlink_to((Path(os.environ["LABELMILL_HOME"]) / "jars").resolve())
    return {**os.environ, "LABELMILL_HOME": str(home)}


def left_running(environment: dict[str, str]) -> list[str]:
    """Command lines of processes that have the demo's home in them."""
    home, found = environment["LABELMILL_HOME"], []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if home in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(line[:200])
    return found


def test_runs_through_and_shows_what_it_did(environment: dict[str, str], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    answer = subprocess.run(
        [ROOT / "bin" / "demo", "--report", page],
        capture_output=True,
        text=True,
        timeout=420,
        cwd=ROOT,
        env=environment,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    html = page.read_text()
    assert html.count("<svg") == 3
    assert "data:image/png;base64," in html
    accuracy = re.search(r"held-out accuracy (0\.\d+)", answer.stdout)
    assert accuracy is not None, answer.stdout
    assert float(accuracy[1]) >= 0.96
    labelled = re.findall(r"version (\d+) \s*│ labelled (\d+)", answer.stdout)
    assert len(labelled) == 2, answer.stdout
    assert left_running(environment) == []


def test_ctrl_c_in_the_middle_leaves_nothing_running(
    environment: dict[str, str], tmp_path: Path
) -> None:
    demo = subprocess.Popen(
        [ROOT / "bin" / "demo", "--report", tmp_path / "report.html"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    )
    assert demo.stdout is not None
    output = ""
    for line in demo.stdout:
        output += line
        if "ingest" in line:
            break
    # As a terminal does it: to the whole foreground process group.
    os.killpg(demo.pid, signal.SIGINT)
    output += demo.stdout.read()
    # Python ends by the signal itself when the interrupt met an exec() (imports do that); shells
    # call both 130.
    assert demo.wait(60) in (130, -signal.SIGINT), output
    assert "interrupted" in output
    deadline = time.monotonic() + 20
    while left_running(environment) and time.monotonic() < deadline:
        psutil.wait_procs([p for p in psutil.process_iter() if p.pid == demo.pid], timeout=0.2)
    assert left_running(environment) == []
    assert not (tmp_path / "report.html").exists()
