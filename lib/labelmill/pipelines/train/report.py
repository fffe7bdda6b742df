"""What a sweep reports: one line per trial and the closing report."""

from __future__ import annotations

import json
from typing import Any

from labelmill.domain.models.sweep_plan import SweepPlan
from labelmill.errors import AllFailed
from labelmill.pipelines.train.record import SweepRecord
from labelmill.spark.report import Report

_NOTED = 10
"""Most failed trials that get a note; the table ``trials`` lists all."""


def trial_line(plan: SweepPlan, row: dict[str, Any]) -> str:
    """A trial's result in one line."""
    what = f"trial {row['number']} {_setting_text(row)}"
    if row["state"] == "failed":
        return f"{what}: failed: {row['error']}"
    return (
        f"{what}: {plan.metric} {row['metric']:.4f}, version {row['version']}, "
        f"{row['seconds']:.1f} s on {row['host']}"
    )


def _setting_text(row: dict[str, Any]) -> str:
    setting = json.loads(str(row["setting"]))
    parameters = setting["parameters"]
    keys = [k for k in ("learning_rate", "epochs", "batch_size", "hidden") if k in parameters]
    return f"{setting['family']} " + " ".join(f"{k}={parameters[k]}" for k in keys)


def sweep_report(
    report: Report,
    plan: SweepPlan,
    record: SweepRecord,
    ended: dict[str, dict[str, Any]],
    ran: int,
    executors: set[tuple[str, int]],
) -> Report:
    """Fills the closing report of a sweep; marked as failed when no trial succeeded.

    Args:
        report: Started before the work: it measures the time.
        plan: The sweep file.
        record: The sweep in the store.
        ended: Rows of ``trials`` by trial id.
        ran: Number of trials that this run ran.
        executors: Host and process number of each executor that ran one.
    """
    rows = [ended[s.trial_id] for s in plan.settings() if s.trial_id in ended]
    done = [row for row in rows if row["state"] == "done"]
    report.put("sweep_id", record.sweep_id)
    report.put("model", plan.model)
    report.put("training_set", record.digest)
    report.put("trials", len(rows))
    report.put("ran", ran)
    report.put("skipped", len(rows) - ran)
    failed = [row for row in rows if row["state"] == "failed"]
    report.put("failed", len(failed))
    report.put("executors", len(executors))
    if done:
        best = done[0]
        for row in done[1:]:
            if plan.better(row["metric"], best["metric"]):
                best = row
        report.put("metric", plan.metric)
        report.put("best_metric", best["metric"])
        report.put("best_version", best["version"])
        report.put("best_setting", json.loads(str(best["setting"])))
    report.table(
        "trials",
        [
            {
                "number": row["number"],
                "setting": _setting_text(row),
                "state": row["state"],
                plan.metric: row["metric"],
                "version": row["version"],
                "seconds": row["seconds"],
            }
            for row in rows
        ],
    )
    for row in failed[:_NOTED]:
        report.note(f"trial {row['number']} failed: {str(row['error'])[:300]}")
    if len(failed) == len(rows):
        error = AllFailed(f"all {len(rows)} trials failed; the first with: {rows[0]['error']}")
        report.fail(str(error), error.exit_code)
    return report
