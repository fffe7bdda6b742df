"""spark-submit entry point: trains one model per setting of a sweep on a training set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelmill.pipelines.train.driver import read_plan, sweep
from labelmill.spark.job import Job, run_job
from labelmill.spark.report import Report
from labelmill.training_sets.registry import find


def train_models(
    job: Job,
    plan: Annotated[Path, typer.Argument(help="Sweep file (YAML); examples are in conf/sweeps.")],
    training_set: Annotated[
        str, typer.Option(help="Training set, by name (its latest), digest or folder.")
    ],
    parallel: Annotated[
        int | None,
        typer.Option(min=1, help="Trials to run at a time. Default: the number of executor slots."),
    ] = None,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Also run trials that failed before, or whose stored model is damaged.",
        ),
    ] = False,
    trial_timeout: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Seconds of its own work after which a trial counts as failed: not waiting for a slot, "
            "nor importing TensorFlow.",
        ),
    ] = None,
) -> Report:
    """Train one model per setting of a sweep file, each in one executor task.

    Every trial becomes a row of `trials` with its metrics per epoch, also when it fails. After a
    crash, run it again: finished trials are not repeated.
    """
    checked = read_plan(plan)
    frozen = find(job.settings, training_set)
    return sweep(job.spark(), job.settings, checked, frozen, parallel, retry_failed, trial_timeout)


if __name__ == "__main__":
    run_job(train_models, codes={10: "all trials failed"})
