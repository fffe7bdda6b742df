"""The benchmarks' arithmetic: what their tables and verdicts are made of."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.measure import page, processes, results
from benchmarks.measure.processes import DRIVER, JVM, OTHER, WORKERS, CpuShares, MemoryWatch, Seen
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Contestant, Spread, Timed, race

ROOT = Path(__file__).parents[3]
ONE = Spread.of([1.0])


def test_a_spread_has_both_ends_and_the_middle() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(1.0, 2.0, 3.0)
    assert Spread.of([4.0, 1.0, 2.0, 3.0]).median == 2.5
    with pytest.raises(ValueError, match="one measurement or more"):
        Spread.of([])


def test_ratios_are_taken_within_a_repetition() -> None:
    # The machine was half as fast in the second repetition; nobody is better or worse for it.
    peer = Timed("peer", items=100, seconds=[1.0, 2.0])
    ours = Timed("ours", items=200, seconds=[4.0, 8.0])
    assert ours.rates == [50.0, 25.0]
    assert ours.ratios(peer) == Spread(0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="ours has 2 repetitions, late 1"):
        ours.ratios(Timed("late", items=1, seconds=[1.0]))


def test_contestants_run_in_turn_after_a_warm_up() -> None:
    ran: list[str] = []

    def entrant(name: str, items: int) -> Contestant:
        def run(repetition: int) -> int:
            ran.append(f"{name}{repetition}")
            return items

        return Contestant(name, run, check=lambda n: ran.append(f"check {name}{n}"))

    quiet = iter([True, False, True, True])
    raced = race([entrant("a", 10), entrant("b", 20)], 2, lambda: next(quiet), lambda line: None)
    assert ran[::2] == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert ran[1::2] == ["check a0", "check b0", "check a1", "check b1", "check a2", "check b2"]
    assert (raced.restless, raced.starts) == (1, 4)
    assert [len(raced[name].seconds) for name in ("a", "b")] == [2, 2]
    assert (raced["a"].items, raced["b"].items) == (10, 20)


def test_a_contestant_that_does_less_is_found_out() -> None:
    lazy = Contestant("lazy", lambda repetition: 10 - repetition, warm=lambda: None)
    with pytest.raises(RuntimeError, match="lazy did 9 items, then 8"):
        race([lazy], 2, lambda: True, lambda line: None)


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("a", Spread(0.4, 0.5, 0.6), at_least=0.5), True),
        (Figure("a", Spread(0.4, 0.49, 0.9), at_least=0.5), False),
        (Figure("a", Spread(1.0, 1.1, 1.2), at_most=1.1), True),
        (Figure("a", Spread(1.0, 1.11, 1.2), at_most=1.1), False),
        (Figure("a", ONE), None),
        (Figure("a", ONE, at_least=2.0, judged=False), None),
    ],
)
def test_a_figure_is_met_by_its_median(figure: Figure, met: bool | None) -> None:
    assert figure.met is met


def test_processes_are_distinguished_by_their_place_in_the_tree() -> None:
    seen = [
        Seen(1, 0, "systemd"),
        Seen(10, 1, "python"),
        Seen(11, 10, "java"),
        Seen(12, 11, "python3.11"),
        Seen(13, 12, "python3.11"),
        Seen(14, 10, "python"),
        Seen(20, 1, "java"),
    ]
    assert processes.parts_of(seen, 10) == {
        10: DRIVER,
        11: JVM,
        12: WORKERS,
        13: WORKERS,
        14: OTHER,
    }


def test_peaks_of_sums_are_measured_at_one_moment() -> None:
    watch = MemoryWatch(os.getpid())
    watch.add({DRIVER: 5, JVM: 10, WORKERS: 0})
    watch.add({DRIVER: 1, JVM: 12, WORKERS: 1})
    assert (watch.peaks[DRIVER], watch.peaks[JVM], watch.peaks[WORKERS]) == (5, 12, 1)
    assert (watch.peak_driver, watch.peak_total) == (15, 15)
    watch.look()
    assert watch.peaks[DRIVER] > 1_000_000  # this very process
    assert watch.looks == 3


def test_the_users_of_the_cores_are_named_in_a_sentence() -> None:
    shares = CpuShares(wall=10.0, used={JVM: 4.0, WORKERS: 12.0, DRIVER: 0.0}, cores=2)
    assert str(shares) == "it used 80 % of 2 cores; of that: Python workers 75 %, JVM 25 %."


def test_results_become_json_a_picture_and_one_page(tmp_path: Path) -> None:
    rows = [Row("peer", "images/s", Spread(9.0, 10.0, 11.0), "as it comes")]
    for name, met in (("first", 1.0), ("second", 3.0)):
        figures = [Figure("ours / peer", Spread(1.0, 2.0, 3.0), at_least=met)]
        result = Result(name, "A claim.", False, 3, rows, figures, limit="One core unzips.")
        written = result.write(tmp_path)
        assert written == tmp_path / f"{name}.json"
        assert (tmp_path / f"{name}.svg").read_text().startswith("<svg")
    assert result.missed == ["ours / peer"]
    text = (tmp_path / "README.md").read_text()
    assert "| [first](#first) | ours / peer | 1 × | 2 × | 3 × | ≥ 1 | – | yes |" in text
    assert "| [second](#second) | ours / peer | 1 × | 2 × | 3 × | ≥ 3 | – | no |" in text
    assert "- One core unzips." in text
    assert "load average" in text
    assert "| peer | 9 | 10 | 11 | images/s | as it comes |" in text


def test_numbers_have_three_digits() -> None:
    shown = [page.number(value) for value in (None, 0.01234, 1.0, 12.345, 1234.5)]
    assert shown == ["–", "0.0123", "1", "12.3", "1,234"]


def test_the_committed_page_is_that_of_the_committed_results(tmp_path: Path) -> None:
    shutil.copytree(results.FOLDER, tmp_path, dirs_exist_ok=True)
    made = results.write_page(tmp_path).read_text()
    assert made == (results.FOLDER / "README.md").read_text(), "run `bin/bench page`"


def test_bench_lists_every_benchmark_with_its_claim() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks", "list"],
        capture_output=True, text=True, cwd=ROOT, timeout=60,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    listed = dict(line.split(maxsplit=1) for line in answer.stdout.splitlines())
    files = {path.stem: path for path in (ROOT / "benchmarks").glob("[a-z]*.py")}
    assert listed.keys() == files.keys()
    for name, path in files.items():
        tree = ast.parse(path.read_text())
        assert listed[name] == (ast.get_docstring(tree) or "").splitlines()[0]
        assert any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body)


def test_a_benchmark_that_is_not_there_is_refused() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks", "ingest_pgn"],
        capture_output=True, text=True, cwd=ROOT, timeout=60,
    )  # fmt: skip
    assert answer.returncode == 2
    assert "no benchmark 'ingest_pgn'; there are: " in answer.stderr
    assert "ingest_png" in answer.stderr
