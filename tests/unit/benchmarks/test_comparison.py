"""``bin/bench NAME --against CHECKOUT``: turns, and a side that runs another checkout's benchmark."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.comparison import checkout, result
from benchmarks.comparison.checkout import Checkout, other_checkout
from benchmarks.comparison.turns import Pairs, Side, take_turns
from benchmarks.measure import page
from benchmarks.measure.timing import Spread
from labelmill.errors import InputError

TIMING = """
from dataclasses import dataclass
from typing import Any

@dataclass
class Contestant:
    name: str
    run: Any
    note: str = ""
    warm: Any = None
    check: Any = None

def race(contestants, repetitions, settle, say):
    raise AssertionError("the checkout's own race was run")
"""

OPTIONS = """
class Options:
    def __init__(self, quick, repetitions, cores):
        self.quick, self.settle, self.say, self.repetitions = quick, None, None, repetitions
"""

TOY = """
import pathlib
from benchmarks.harness.timing import Contestant, race

HERE = pathlib.Path(__file__).parent

def write(line):
    with (HERE / "log").open("a") as log:
        log.write(line + "\\n")

def run(options):
    print("noise on stdout")
    try:
        race([
            Contestant("peer", lambda n: 1 / 0),
            Contestant("ours", lambda n: write(f"run {n}") or 10, check=lambda n: write(f"check {n}")),
            Contestant("slow", lambda n: 20 if n else 1 / 0, warm=lambda: write("warm")),
        ], options.repetitions, options.settle, options.say)
    finally:
        write("stopped")
"""


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout with the layout of before, and a benchmark that needs no server."""
    root = tmp_path / "old"
    for name, text in {
        "bin/environment.sh": f"export LABELMILL_PYTHON={sys.executable}",
        "bin/setup": "#!/bin/sh\n",
        "benchmarks/__init__.py": "",
        "benchmarks/harness/__init__.py": "",
        "benchmarks/harness/timing.py": TIMING,
        "benchmarks/harness/options.py": OPTIONS,
        "benchmarks/toy.py": TOY,
        "benchmarks/raceless.py": "def run(options): pass",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "bin" / "setup").chmod(0o755)
    return Checkout(root, "0" * 12)


def _ask(side: Side, benchmark: str = "toy") -> None:
    side.send(benchmark=benchmark, contestants=["ours", "slow"], quick=True, cores=1)


def test_a_side_times_the_other_checkouts_own_contestants(old: Checkout, tmp_path: Path) -> None:
    log = old.root / "benchmarks" / "log"
    with Side(old, tmp_path / "log") as side:
        _ask(side)
        assert side.answer() == {"ready": ["ours", "slow"]}
        assert log.read_text().split("\n")[:-1] == ["run 0", "check 0", "warm"]
        assert side.rate("slow", 1) > 0
        assert side.rate("ours", 2) > 0
    assert log.read_text().split("\n")[3:-1] == ["run 2", "check 2", "stopped"]
    assert "noise on stdout" in (tmp_path / "log").read_text()


def test_a_side_that_fails_says_why(old: Checkout, tmp_path: Path) -> None:
    with Side(old, tmp_path / "log") as side:
        _ask(side)
        side.answer()
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            side.rate("slow", 0)
    with Side(old, tmp_path / "log") as side:
        _ask(side, "raceless")
        with pytest.raises(RuntimeError, match="raceless has no race; nothing to compare"):
            side.answer()


def test_an_exception_here_ends_a_side_in_order(old: Checkout, tmp_path: Path) -> None:
    side = Side(old, tmp_path / "log")
    with contextlib.suppress(KeyboardInterrupt), side:
        _ask(side)
        side.answer()
        raise KeyboardInterrupt
    assert (old.root / "benchmarks" / "log").read_text().endswith("stopped\n")


def test_another_checkout_inherits_no_setting_of_this_one(
    old: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELMILL_HOME", "/here")
    monkeypatch.setenv("PYSPARK_PYTHON", "/here/python")
    monkeypatch.setenv("LABELMILL_TEST_DATA", "/data")
    command = old.command("-c", "import os, json; print(json.dumps(dict(os.environ)))")
    answer = subprocess.run(
        command, env=old.environment, capture_output=True, text=True, check=True
    )
    found = json.loads(answer.stdout)
    assert "LABELMILL_HOME" not in found
    assert "PYSPARK_PYTHON" not in found
    assert (found["LABELMILL_TEST_DATA"], found["PYTHONPATH"]) == ("/data", str(old.root))


def test_a_checkout_is_a_folder_or_a_commit(
    old: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with other_checkout(str(old.root), lambda line: None) as found:
        assert found == Checkout(old.root, "unknown")
    with pytest.raises(InputError, match=r"bin/environment\.sh not found"):
        with other_checkout(str(tmp_path), lambda line: None):
            pass
    with pytest.raises(InputError, match="'no-such' is neither a folder nor a commit"):
        with other_checkout("no-such", lambda line: None):
            pass

    def git(*arguments: str) -> str:
        names = {
            f"GIT_{who}_{what}": "a@b"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        command = ["git", "-C", str(old.root), *arguments]
        answer = subprocess.run(
            command, env={**os.environ, **names}, capture_output=True, text=True, check=True
        )
        return answer.stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "before")
    monkeypatch.setattr(checkout, "ROOT", old.root)
    with other_checkout("HEAD", lambda line: None) as clone:
        assert clone.root != old.root
        assert clone.commit == git("rev-parse", "--short=12", "HEAD")
        assert (clone.root / "benchmarks" / "toy.py").read_text() == TOY
    assert not clone.root.exists()


def test_sides_take_turns_and_each_is_first_by_turns() -> None:
    ran: list[str] = []

    def timing(side: str, rate: float):  # type: ignore[no-untyped-def]
        return lambda name, repetition: ran.append(f"{name}{repetition} {side}") or rate

    quiet = iter([True, False] * 4)
    compared = take_turns(
        ["a", "b"],
        timing("this", 3.0),
        timing("that", 2.0),
        2,
        lambda: next(quiet),
        lambda line: None,
    )
    assert ran == [
        "a1 this", "a1 that", "b1 that", "b1 this", "a2 that", "a2 this", "b2 this", "b2 that"
    ]  # fmt: skip
    assert compared.pairs == {name: Pairs([3.0, 3.0], [2.0, 2.0]) for name in ("a", "b")}
    assert (compared.starts, compared.restless) == (8, 4)


def test_a_ratio_is_taken_within_a_repetition() -> None:
    assert Pairs([1.0, 4.0, 3.0], [1.0, 2.0, 6.0]).ratio == Spread(0.5, 1.0, 2.0)


def test_a_comparison_is_written_beside_the_results(tmp_path: Path) -> None:
    content = {
        "benchmark": "toy", "date": "2026-11-20T00:00:00+00:00", "quick": False, "this": "abc+",
        "that": "def", "load_average_at_start": [0.1, 0, 0], "repetitions": 3,
        "ratios": [{"who": "ours", "min": 0.98, "median": 1.0, "max": 1.02, "pairs": []}],
    }  # fmt: skip
    assert result.write(content, tmp_path) == tmp_path / "against" / "toy.json"
    row = "| toy | ours | 0.980 × | 1.000 × | 1.020 × | abc+ | def | 3 | 0.1 | 2026-11-20T00:00:00+00:00 |"
    assert row in (tmp_path / "README.md").read_text().splitlines()
    assert "Against another commit" not in page.markdown([])
