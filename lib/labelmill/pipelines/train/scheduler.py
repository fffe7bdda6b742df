"""Runs trials as Spark jobs of one task each, submitted by one driver thread per slot."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from pyspark import SparkContext
from pyspark.util import inheritable_thread_target

from labelmill.pipelines.train.worker import Outcome, TrialTask, run_trial

LOST = "the executor did not end the trial"
"""Prefix of the error of a trial that Spark gave up; the next run retries such trials."""

START_SECONDS = 60.0
"""What a worker may take to start and to import TensorFlow."""

_LOOK_SECONDS = 0.5


def run_trials(context: SparkContext, tasks: list[TrialTask], slots: int) -> Iterator[Outcome]:
    """Runs trials and yields their outcomes as they end.

    Args:
        context: The Spark context.
        tasks: The trials.
        slots: Most trials that run, or wait in Spark, at a time.
    """
    left = iter(tasks)
    with ThreadPoolExecutor(slots, thread_name_prefix="labelmill-trial") as pool:
        submit = inheritable_thread_target(_submit)
        try:
            running: set[Future[Outcome]] = {
                pool.submit(submit, context, task) for task in itertools.islice(left, slots)
            }
            while running:
                ready, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ready:
                    # The slot is filled again before the outcome is written to Kudu.
                    for task in itertools.islice(left, 1):
                        running.add(pool.submit(submit, context, task))
                    yield future.result()
        except BaseException:
            # Interrupted, or Kudu is gone: do not wait for trials whose outcome has no use.
            for task in tasks:
                context.cancelJobGroup(_job_group(task))
            raise


def _submit(context: SparkContext, task: TrialTask) -> Outcome:
    """Runs one trial as a Spark job of one task; a lost executor makes it a failed trial."""
    group = _job_group(task)
    context.setJobGroup(group, f"trial {task.setting.number}", interruptOnCancel=True)
    with _Deadline(context, group, task.timeout) as deadline:
        try:
            (outcome,) = context.parallelize([task], 1).map(run_trial).collect()
        except Exception as error:
            late = (
                f"took longer than {task.timeout:g} s, within one epoch" if deadline.passed else ""
            )
            return Outcome(task.setting.number, error=late or _failure_reason(error))
    return outcome


class _Deadline:
    """Ends a trial that does not end itself: a worker looks at its clock after each epoch only.

    The clock runs from the moment at which Spark has started the task; `START_SECONDS` are for the
    worker's start and TensorFlow's import, which the worker does not count.
    """

    def __init__(self, context: SparkContext, group: str, timeout: float | None) -> None:
        self._context, self._group, self._timeout = context, group, timeout
        self._ended = threading.Event()
        self.passed = False

    def __enter__(self) -> _Deadline:
        if self._timeout is not None:
            watch = threading.Thread(target=self._watch, name="labelmill-deadline", daemon=True)
            watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _watch(self) -> None:
        assert self._timeout is not None
        started: float | None = None
        while not self._ended.wait(_LOOK_SECONDS):
            if started is None and is_running(self._context, self._group):
                started = time.monotonic()
            if started is not None and time.monotonic() - started > self._timeout + START_SECONDS:
                self.passed = True
                self._context.cancelJobGroup(self._group)
                return


def is_running(context: SparkContext, group: str) -> bool:
    """Whether a task of a job group has a slot."""
    tracker = context.statusTracker()
    for job in tracker.getJobIdsForGroup(group):
        found = tracker.getJobInfo(job)
        for stage in found.stageIds if found else ():
            info = tracker.getStageInfo(stage)
            if info and info.numActiveTasks:
                return True
    return False


def _job_group(task: TrialTask) -> str:
    # A setting has the same trial id in every sweep, and one session may run two sweeps.
    return f"labelmill-trial-{task.sweep_id}-{task.setting.trial_id}"


def _failure_reason(error: Exception) -> str:
    """The relevant line of a Spark error: the worker's own error, else why the job was aborted."""
    lines = [trial_line.strip() for trial_line in str(error).splitlines() if trial_line.strip()]
    own = [
        trial_line
        for trial_line in lines
        if re.match(r"[A-Za-z_.]+(Error|Exception|Exit): ", trial_line)
    ]
    given_up = [
        trial_line
        for trial_line in lines
        if "Job aborted" in trial_line or "cancelled" in trial_line
    ]
    return f"{LOST}: {(own or given_up or lines or [repr(error)])[0].lstrip(': ')}"[:2000]
