"""Runs a sweep: one model per setting, each trained in one executor task; every trial is a row.

The driver has one thread per executor slot; each thread submits Spark jobs of one task. The task
trains and returns the artifact and metrics, which the driver publishes as they arrive. Finished
trials are skipped when the sweep is run again, so a sweep that was killed resumes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pyspark.sql import SparkSession
from rich.console import Console

from labelmill.domain.models.learnable import (
    require_classes,
    require_images_of_one_class,
    unseen_note,
)
from labelmill.domain.models.sweep_plan import SweepPlan
from labelmill.errors import InputError, NoData
from labelmill.feed.training_set import TrainingSet
from labelmill.pipelines.train.record import SweepRecord
from labelmill.pipelines.train.report import sweep_report, trial_line
from labelmill.pipelines.train.scheduler import LOST, run_trials
from labelmill.pipelines.train.worker import LEARNED, TrialTask
from labelmill.settings import Settings
from labelmill.spark.progress import SparkProgress
from labelmill.spark.report import Report
from labelmill.spark.shared_files import shared_shards
from labelmill.store.connect import open_client


def read_plan(path: Path) -> SweepPlan:
    """Reads a sweep file.

    Raises:
        InputError: Not a file, not YAML, or invalid values.
        UnknownName: An unknown key or name; suggests the closest match.
    """
    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InputError(f"sweep file {str(path)!r} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"sweep file {str(path)!r} is not valid YAML: {error}") from None
    try:
        return SweepPlan.parse(data)
    except InputError as error:
        error.args = (f"sweep file {str(path)!r}: {error}",)
        raise


def sweep(
    spark: SparkSession,
    settings: Settings,
    plan: SweepPlan,
    training_set: TrainingSet,
    parallel: int | None = None,
    retry_failed: bool = False,
    trial_timeout: float | None = None,
    console: Console | None = None,
) -> Report:
    """Trains every setting of the plan that has no result yet.

    Args:
        plan: The sweep file.
        training_set: Training data; needs the split ``train`` and, when the objective is measured
            there, ``validation``.
        parallel: Trials to run at a time; default: the number of executor slots.
        retry_failed: Also run trials that failed before, or whose stored model is damaged.
        trial_timeout: Seconds of its own work after which a trial counts as failed; it does not count
            waiting for a slot, nor importing TensorFlow.

    Returns:
        The report; marked as failed (exit code 10) when no trial of the sweep succeeded.

    Raises:
        NoData: A split is missing.
        InputError: The training set holds other rows than images of one class, or a single class; the
            executors lack TensorFlow.
    """
    report = Report("train_models")  # its clock runs from here
    manifest = training_set.manifest
    require_images_of_one_class(training_set.digest[:12], manifest.kind, manifest.target)
    _require_splits(training_set, plan)
    require_classes(training_set.digest[:12], manifest.histogram)
    context = spark.sparkContext
    client = open_client(settings)
    try:
        record = SweepRecord.open(client, plan, training_set.digest)
        ended = record.trials()
        skip = {t for t, row in ended.items() if _is_final(record, row, retry_failed)}
        todo = [s for s in plan.settings() if s.trial_id not in skip]
        slots = min(parallel or context.defaultParallelism, max(len(todo), 1))
        title = f"sweep {plan.name}"
        with SparkProgress(None, title, console, unit="trials") as progress:
            progress.line(
                f"{title}: {len(plan.settings())} trials on {training_set.digest[:12]}, "
                f"{len(skip)} done before, {len(todo)} to run, {slots} at a time"
            )
            # Trials see no test image: what they don't get they can't learn from.
            learned = [
                path
                for path, shard in zip(training_set.files(), manifest.shards, strict=True)
                if shard.split in LEARNED
            ]
            shards = shared_shards(context, learned, training_set.digest)
            classes = tuple(training_set.classes)
            tasks = [
                TrialTask(s, record.sweep_id, training_set.digest, shards, classes, trial_timeout)
                for s in todo
            ]
            by_number = {s.number: s for s in todo}
            failed = 0
            executors: set[tuple[str, int]] = set()
            for number, outcome in enumerate(run_trials(context, tasks, slots), 1):
                if outcome.missing_software:
                    raise InputError(outcome.error)
                setting = by_number[outcome.number]
                row = record.write(setting, outcome)
                ended[setting.trial_id] = row
                failed += row["state"] == "failed"
                executors.add((outcome.host, outcome.executor))
                progress.advance(number, len(todo), f"({failed} failed)")
                progress.line(trial_line(plan, row))
        record.write_state("done")
        if (unseen := unseen_note(manifest.histogram)) is not None:
            report.note(unseen)
        return sweep_report(report, plan, record, ended, len(todo), executors)
    finally:
        client.close()


def _require_splits(training_set: TrainingSet, plan: SweepPlan) -> None:
    needed = ["train"] + (["validation"] if plan.metric.startswith("validation_") else [])
    for split in needed:
        if not sum(training_set.manifest.histogram.get(split, {}).values()):
            raise NoData(
                f"training set {training_set.digest[:12]} has no rows in split {split!r}, which "
                f"the objective {plan.metric} needs; freeze it with other --fractions"
            )


def _is_final(record: SweepRecord, row: dict[str, Any], retry_failed: bool) -> bool:
    if row["state"] == "dropped":
        return True  # its version was removed, and a number is not given out again
    if row["state"] == "done":
        return not retry_failed or record.is_complete(int(row["version"]))
    return not (retry_failed or str(row["error"]).startswith(LOST))
