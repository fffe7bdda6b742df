"""train_models: a sweep file and a frozen training set → one model per setting, each a trial row."""

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
    plan: Annotated[Path, typer.Argument(help="Sweep file (YAML), see conf/sweeps.")],
    training_set: Annotated[
        str, typer.Option(help="Name (its latest), digest or folder of a frozen training set.")
    ],
    parallel: Annotated[
        int | None, typer.Option(min=1, help="Trials at a time. Default: executor slots.")
    ] = None,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Run trials again that failed before, or whose stored model is damaged.",
        ),
    ] = False,
    trial_timeout: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds after which a trial is a failed one.")
    ] = None,
) -> Report:
    """Trains one model per setting of a sweep file, each in one executor task.

    Every trial is a row with its metrics per epoch; one that fails is a failed row. Run it again
    after a crash: trials that ended are not repeated.
    """
    checked = read_plan(plan)
    frozen = find(job.settings, training_set)
    return sweep(job.spark(), job.settings, checked, frozen, parallel, retry_failed, trial_timeout)


if __name__ == "__main__":
    run_job(train_models, {10: "every trial failed"})
