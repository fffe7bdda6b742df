"""Plots as SVG: the same data is the same bytes, and says what it shows."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from labelmill.domain.models.metrics import Evaluation, evaluate
from labelmill.serving import plots
from labelmill.serving.run_data import Curve, MicroBatchRow, Run

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def run(goal: str = "maximize") -> Run:
    curves = [
        Curve(n, n + 1, {}, "done", metric, 1.0, None, [1, 2, 3], [0.1, 0.2, metric])
        for n, metric in enumerate((0.5, 0.75))
    ]
    curves.append(Curve(2, None, {}, "failed", None, None, "diverged"))
    return Run("c", "m", "train_loss", goal, 1, 1, 0, {}, None, curves, [], [], [], [])


def words(svg: str) -> set[str]:
    return set(re.findall(r"<text[^>]*>([^<]+)</text>", svg))


def batches() -> list[MicroBatchRow]:
    return [
        MicroBatchRow(7 if n < 2 else 9, 10, 900, START + timedelta(seconds=n)) for n in range(4)
    ]


def test_a_sweep_names_its_best_version() -> None:
    assert {"version 2: 0.7500", "epoch", "train loss"} <= words(plots.sweep(run()))
    assert "version 1: 0.5000" in words(plots.sweep(run("minimize")))


def test_a_confusion_matrix_shows_the_counts_that_are_not_zero() -> None:
    measured = Evaluation.from_dict({"classes": ["cat", "dog"], "matrix": [[7, 0], [2, 3]]})
    assert {"7", "2", "3", "cat", "dog", "true class", "label"} == words(plots.confusion(measured))
    classes = [f"class {n}" for n in range(45)]
    many = evaluate([*classes, "class 44"], [*classes, "class 43"], classes)
    assert {"class 0", "class 43", "class 44", "other classes"} <= words(plots.confusion(many))
    assert not {"class 42", "1"} & words(plots.confusion(many)), "too many to name and count all"
    names = [f"{n}" for n in range(10_000)]
    assert "other classes" in words(plots.confusion(evaluate(names, names[::-1], names)))


def test_a_class_name_is_no_formula() -> None:
    measured = evaluate(["$x$", "$\\frac"], ["$x$", "$\\frac"], ["$x$", "$\\frac"])
    assert {"$x$", "$\\frac"} <= words(plots.confusion(measured))


def test_a_time_line_marks_when_the_alias_moved() -> None:
    moved = START + timedelta(seconds=1.5)
    assert {"version 7", "version 9", "alias moved"} <= words(plots.timeline(batches(), moved))
    assert "alias moved" not in words(plots.timeline(batches(), None))
    assert "alias moved" not in words(plots.timeline(batches(), START - timedelta(hours=1)))
    binned = [replace(batch, batches=20) for batch in batches()]
    assert "time (UTC); a bar adds up several micro-batches" in words(plots.timeline(binned, None))


def test_the_same_plot_is_the_same_bytes() -> None:
    assert plots.sweep(run()) == plots.sweep(run())
    assert plots.sweep(run()).startswith("<svg")
