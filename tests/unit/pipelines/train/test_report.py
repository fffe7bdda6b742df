"""The closing report of a sweep, from rows alone."""

from __future__ import annotations

from typing import Any

import pytest

from labelmill.domain.models.sweep_plan import SweepPlan
from labelmill.errors import AllFailed
from labelmill.pipelines.train.record import SweepRecord
from labelmill.pipelines.train.report import sweep_report, trial_line
from labelmill.spark.report import Report
from tests.helpers.memory_client import memory_client


def plan(metric: str = "validation_accuracy") -> SweepPlan:
    return SweepPlan.parse({
        "name": "s", "model": "m", "objective": {"metric": metric},
        "fixed": {"family": "softmax", "epochs": 2, "seed": 1},
        "vary": {"learning_rate": [0.1, 0.2, 0.3]},
    })  # fmt: skip


def ended(plan: SweepPlan, metrics: list[float | None]) -> dict[str, dict[str, Any]]:
    """Rows of trials: None failed."""
    return {
        setting.trial_id: {
            "number": setting.number,
            "setting": setting.to_json(),
            "state": "failed" if metric is None else "done",
            "metric": metric,
            "version": None if metric is None else setting.number + 7,
            "error": "diverged at epoch 1" if metric is None else None,
            "host": "h",
            "seconds": 1.25,
        }
        for setting, metric in zip(plan.settings(), metrics, strict=False)
    }


def record(plan: SweepPlan) -> SweepRecord:
    return SweepRecord(memory_client(), plan, "d" * 64, "sweep", 7)


def test_a_line_names_setting_metric_and_version() -> None:
    rows = list(ended(plan(), [0.5, None]).values())
    assert trial_line(plan(), rows[0]) == (
        "trial 0 softmax learning_rate=0.1 epochs=2 batch_size=128: validation_accuracy 0.5000, "
        "version 7, 1.2 s on h"
    )
    assert trial_line(plan(), rows[1]).endswith("learning_rate=0.2 epochs=2 batch_size=128: failed: "
                                                "diverged at epoch 1")  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "metrics", "best"),
    [
        ("validation_accuracy", [0.5, 0.9, 0.7], 1),
        ("validation_accuracy", [0.9, 0.9, None], 0),
        ("validation_loss", [0.5, 0.9, 0.7], 0),
        ("validation_loss", [None, 0.9, 0.7], 2),
    ],
)
def test_the_best_trial(metric: str, metrics: list[float | None], best: int) -> None:
    swept = plan(metric)
    report = sweep_report(
        Report("train_models"), swept, record(swept), ended(swept, metrics), 2, {("h", 1), ("h", 2)}
    )
    assert report.results["best_version"] == best + 7
    assert report.results["best_metric"] == metrics[best]
    assert report.results["best_setting"]["parameters"]["learning_rate"] == [0.1, 0.2, 0.3][best]
    assert (report.results["trials"], report.results["ran"], report.results["skipped"]) == (3, 2, 1)
    assert report.results["failed"] == metrics.count(None)
    assert report.results["executors"] == 2
    assert [row[metric] for row in report.tables["trials"]] == metrics
    assert report.error is None


def test_trials_that_did_not_end_do_not_count() -> None:
    swept = plan()
    report = sweep_report(
        Report("train_models"), swept, record(swept), ended(swept, [0.5]), 1, {("h", 1)}
    )
    assert (report.results["trials"], len(report.tables["trials"])) == (1, 1)


def test_a_sweep_without_a_success_failed() -> None:
    swept = plan()
    report = sweep_report(
        Report("train_models"), swept, record(swept), ended(swept, [None] * 3), 3, set()
    )
    assert report.exit_code == AllFailed.exit_code
    assert "all 3 trials failed; the first with: diverged at epoch 1" in str(report.error)
    assert report.notes == [f"trial {n} failed: diverged at epoch 1" for n in range(3)]
    assert "best_version" not in report.results
