"""``bin/test`` leaves nothing behind: when it ends, is stopped, or is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.helpers.marked import PROBE, of_probe, probe

__all__ = ["probe"]

ROOT = Path(__file__).parents[2]


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


TEST = '''
import os, signal, subprocess, sys, time

def test_starts():
    """A server of its own session, one whose parent is gone, and one without our environment."""
    code = "import time; time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    subprocess.run(["sh", "-c", f"'{sys.executable}' -c '{code}' >/dev/null 2>&1 &"])
    subprocess.Popen([sys.executable, "-c", code], env={"LABELMILL_TEST_PROBE": os.environ["LABELMILL_TEST_PROBE"]})
    open(os.environ["STARTED"], "w").close()
    HOW
'''


@pytest.fixture
def run(tmp_path: Path, probe: str) -> Callable[[str], subprocess.Popen[str]]:
    """Starts a supervised pytest over a test that leaves processes and then does something."""

    def start(how: str) -> subprocess.Popen[str]:
        (tmp_path / "test_it.py").write_text(TEST.replace("HOW", how))
        environment = {**os.environ, PROBE: probe, "STARTED": str(tmp_path / "started")}
        return subprocess.Popen(
            [
                sys.executable, "-m", "tests.supervisor", "-q", "-c", os.devnull, "-p", "no:cacheprovider",
                f"--rootdir={tmp_path}", str(tmp_path / "test_it.py"),
            ],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return start


@pytest.mark.parametrize(
    ("how", "code"), [("pass", 0), ("raise ValueError", 1), ("os.kill(os.getpid(), 9)", -9)]
)
def test_a_run_that_ends_leaves_nothing(
    run: Callable[[str], subprocess.Popen[str]], probe: str, how: str, code: int
) -> None:
    process = run(how)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code % 256
    assert err.count("time.sleep(600)") >= 3, err
    assert of_probe(probe) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_and_all_it_started(
    run: Callable[[str], subprocess.Popen[str]], probe: str, number: signal.Signals, tmp_path: Path
) -> None:
    process = run("time.sleep(600)")
    until((tmp_path / "started").exists)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "KeyboardInterrupt" in out, "pytest ended in order"
    assert of_probe(probe) == []


def test_a_second_signal_ends_a_run_that_does_not_end(
    run: Callable[[str], subprocess.Popen[str]], probe: str, tmp_path: Path
) -> None:
    process = run("signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)")
    until((tmp_path / "started").exists)
    time.sleep(0.2)  # until the test ignores it
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)  # two of a kind that wait are one
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert of_probe(probe) == []


def test_the_next_run_ends_what_a_killed_one_left(
    run: Callable[[str], subprocess.Popen[str]], probe: str, tmp_path: Path
) -> None:
    process = run("time.sleep(600)")
    until((tmp_path / "started").exists)
    process.kill()
    process.wait()
    # pytest ends by itself then; what its test has started stays.
    until(lambda: len(of_probe(probe)) == 3)
    following = run("pass")
    _, err = following.communicate(timeout=60)
    assert err.count("ended what a killed run had left") >= 2
    (bare,) = of_probe(probe)
    assert list(bare.environ()) == [PROBE], "nothing says whose it is: it is left alone"


SERVERS = [
    "tests/integration/store/records/test_aliases.py",
    "tests/spark/store/test_truth.py",
]
"""Two files with servers, one of them with Spark: each of two workers gets one."""


def programs(probe: str) -> list[str]:
    """What runs, by name: Java by its main class."""
    found = []
    for process in of_probe(probe):
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            known = ("kudu-master", "kudu-tserver", "kafka.Kafka", "SparkSubmit", "worker_daemon")
            found.append(next((name for name in known if name in line), process.name()))
    return found


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, lambda now: now.count("kudu-tserver") == 2),
        (signal.SIGTERM, lambda now: "SparkSubmit" in now),
    ],
)
def test_a_signal_ends_the_servers_of_both_workers(
    probe: str, number: signal.Signals, moment: Callable[[list[str]], bool]
) -> None:
    process = subprocess.Popen(
        [str(ROOT / "bin" / "test"), "-q", "-p", "no:cacheprovider", *SERVERS],
        env={**os.environ, PROBE: probe}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        until(lambda: moment(programs(probe)) or process.poll() is not None)
        assert process.poll() is None, process.communicate()[0]
        process.send_signal(number)
        out, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 128 + number, out
    assert programs(probe) == []
