"""The run page: what a person must be able to see on it, from a run made by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from labelmill.domain.models.metrics import Evaluation, evaluate
from labelmill.serving import run_page
from labelmill.serving.run_data import Card, Curve, MeasuredVersion, MicroBatchRow, Run, Tally

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def card(label: str, truth: str | None, probability: float = 0.9) -> Card:
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8, 1) * 3
    return Card("ab" * 32, 1, label, probability, "accepted", truth, pixels, None)


def curve(number: int, metric: float | None, error: str | None = None) -> Curve:
    values = [] if metric is None else [metric - 0.2, metric - 0.05, metric]
    return Curve(
        number=number,
        version=None if error else number + 1,
        setting={"family": "mlp", "parameters": {"learning_rate": 0.01 * (number + 1)}},
        state="failed" if error else "done",
        metric=metric,
        seconds=1.5,
        error=error,
        steps=list(range(1, len(values) + 1)),
        values=values,
    )


@pytest.fixture
def run() -> Run:
    return Run(
        collection="digits",
        model="digits",
        metric="validation_accuracy",
        goal="maximize",
        images=1797,
        annotated=1797,
        quarantined=2,
        aliases={"production": 2},
        production_moved_at=START + timedelta(seconds=5),
        curves=[curve(0, 0.95), curve(1, 0.97), curve(2, None, "diverged at epoch 1")],
        measured=[
            MeasuredVersion(
                2,
                10,
                0.9,
                0.89,
                True,
                ["error 0.100 ≤ acceptable 0.200"],
                "d",
                Evaluation.from_dict({"classes": ["0", "1"], "matrix": [[5, 1], [0, 4]]}),
            )
        ],
        batches=[
            MicroBatchRow(2 if i < 4 else 1, 30, 900, START + timedelta(seconds=1.5 * i))
            for i in range(9)
        ],
        tallies=[Tally(1, 150, 150, 140, 3), Tally(2, 120, 120, 119, 1)],
        cards=[card("3", "8", 0.55), card("1", "1"), card("5", None)],
    )


def test_shows_the_figures_and_all_four_pictures(run: Run) -> None:
    html = run_page.render(run)
    assert "1,797" in html
    assert "0.9000" in html
    assert html.count("<svg") == 3
    assert len(re.findall(r'<img src="data:image/png;base64,', html)) == 3
    assert "version 1" in html
    assert "version 2" in html
    assert "alias moved" in html


def test_is_self_contained(run: Run) -> None:
    html = run_page.render(run)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', re.sub(r"<svg.*?</svg>", "", html, flags=re.S))
    assert all(address.startswith("data:") for address in loaded)
    assert "<script" not in html
    assert "<link" not in html


def test_marks_mistakes_and_only_those(run: Run) -> None:
    html = run_page.render(run)
    assert html.count('class="card wrong"') == 1
    assert "truth 8" in html
    assert "truth 1" not in html


def test_a_failed_trial_is_shown_with_its_error(run: Run) -> None:
    assert "failed: diverged at epoch 1" in run_page.render(run)


def test_names_from_outside_are_escaped(run: Run) -> None:
    bad = "<img src=x onerror=alert(1)>"
    html = run_page.render(replace(run, collection=bad, cards=[card(bad, None)]))
    assert bad not in html
    assert "&lt;img src=x" in html


def test_class_names_inside_plots_are_escaped(run: Run) -> None:
    bad = "<script>alert(1)</script>"
    named = evaluate(["0", bad], [bad, bad], ["0", bad])
    measured = replace(run.measured[0], measures=named)
    assert "<script" not in run_page.render(replace(run, measured=[measured]))


def test_a_run_with_nothing_but_images_still_has_a_page(run: Run) -> None:
    empty = replace(run, curves=[], measured=[], batches=[], tallies=[], cards=[], aliases={})
    html = run_page.render(empty)
    assert "1,797" in html
    assert "<svg" not in html


def test_write_leaves_no_partial_file(run: Run, tmp_path: Path) -> None:
    path = run_page.write(run, tmp_path / "deep" / "report.html")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
