"""What a sweep found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labelmill.api.results.failure import raise_failure
from labelmill.api.results.fragment import figures, render
from labelmill.spark.report import Report

TRIALS = 50
"""Trials in the table of a page."""


@dataclass(frozen=True)
class TrialResult:
    """One trial.

    Attributes:
        number: Its position in the sweep file, from 0.
        setting: The parameters it was trained with.
        state: ``done`` or ``failed``.
        metric: The sweep's objective at its end; None: it failed.
        version: Model version that it became; None: it failed.
        seconds: Training time; None: it failed before training.

    Example::

        [(one.setting, one.metric) for one in mill.train("sweep.yaml", "digits").trials]
    """

    number: int
    setting: str
    state: str
    metric: float | None
    version: int | None
    seconds: float | None


@dataclass(frozen=True)
class SweepResult:
    """All trials of a sweep, including those of earlier runs.

    Attributes:
        sweep_id: 16 hex digits of the plan and the training set.
        model: Model whose versions the trials became.
        training_set: Digest of the training set.
        trials: By number.
        ran: Number of trials in this run.
        skipped: Trials that had finished before.
        failed: Trials that failed.
        executors: Number of executors that trained.
        metric: Name of the objective.
        best_metric: The objective of the best trial.
        best_version: The model version of the best trial.
        best_setting: The setting of the best trial.
        notes: Remarks of the run, for example why trials failed.
        seconds: Wall-clock time.

    Example::

        sweep = mill.train("conf/sweeps/digits.yaml", "digits")
        sweep.model, len(sweep.trials)
    """

    sweep_id: str
    model: str
    training_set: str
    trials: tuple[TrialResult, ...]
    ran: int
    skipped: int
    failed: int
    executors: int
    metric: str
    best_metric: float
    best_version: int
    best_setting: Mapping[str, Any]
    notes: tuple[str, ...]
    seconds: float

    @classmethod
    def of(cls, report: Report) -> SweepResult:
        """From what the pipeline reports.

        Raises:
            AllFailed: No trial of the sweep succeeded.
        """
        raise_failure(report)
        metric = report.results["metric"]
        trials = tuple(
            TrialResult(
                row["number"],
                row["setting"],
                row["state"],
                row[metric],
                row["version"],
                row["seconds"],
            )
            for row in report.tables["trials"]
        )
        fields = {**report.results, "trials": trials, "notes": tuple(report.notes)}
        return cls(**fields, seconds=report.seconds)

    def _repr_html_(self) -> str:
        best = next(t for t in self.trials if t.version == self.best_version)
        shown = sorted(self.trials, key=lambda t: (t is not best, t.number))[:TRIALS]
        return render(
            "sweep.html.j2",
            result=self,
            best=best,
            trials=sorted(shown, key=lambda t: t.number),
            more=len(self.trials) - len(shown),
            figures=figures(
                (self.best_metric, f"best {self.metric.replace('_', ' ')}"),
                (f"{self.model}:{self.best_version}", "best version"),
                (len(self.trials) - self.failed, "trials done"),
                *([(self.failed, "failed")] * bool(self.failed)),
                bad=("failed",),
            ),
        )
