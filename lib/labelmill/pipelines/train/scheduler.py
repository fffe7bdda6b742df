"""Runs trials as Spark jobs of one task each, submitted by one driver thread per slot."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from pyspark import SparkContext
from pyspark.util import inheritable_thread_target

from labelmill.domain.models.sweep_plan import Setting
from labelmill.pipelines.train.worker import Outcome, TrialTask, run_trial

LOST = "the executor did not end the trial"
"""Prefix of the error of a trial that Spark gave up; the next run retries such trials."""


def run_trials(
    context: SparkContext, tasks: list[TrialTask], slots: int, timeout: float | None
) -> Iterator[Outcome]:
    """Runs trials and yields their outcomes as they end.

    Args:
        context: The Spark context.
        tasks: The trials.
        slots: Most trials that run, or wait in Spark, at a time.
        timeout: Seconds after which a trial counts as failed; None: unbounded.
    """
    left = iter(tasks)
    with ThreadPoolExecutor(slots, thread_name_prefix="labelmill-trial") as pool:
        submit = inheritable_thread_target(_submit)
        try:
            running: set[Future[Outcome]] = {
                pool.submit(submit, context, task, timeout)
                for task in itertools.islice(left, slots)
            }
            while running:
                ready, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ready:
                    # The slot is filled again before the outcome is written to Kudu.
                    for task in itertools.islice(left, 1):
                        running.add(pool.submit(submit, context, task, timeout))
                    yield future.result()
        except BaseException:
            # Interrupted, or Kudu is gone: do not wait for trials whose outcome has no use.
            for task in tasks:
                context.cancelJobGroup(_job_group(task.setting))
            raise


def _submit(context: SparkContext, task: TrialTask, timeout: float | None) -> Outcome:
    """Runs one trial as a Spark job of one task; a lost executor makes it a failed trial."""
    group = _job_group(task.setting)
    context.setJobGroup(group, f"trial {task.setting.number}", interruptOnCancel=True)
    late = threading.Event()

    def give_up() -> None:
        late.set()
        context.cancelJobGroup(group)

    timer = threading.Timer(timeout or 0, give_up)
    if timeout:
        timer.daemon = True
        timer.start()
    try:
        (outcome,) = context.parallelize([task], 1).map(run_trial).collect()
    except Exception as error:
        text = f"took longer than {timeout:g} s" if late.is_set() else _failure_reason(error)
        return Outcome(task.setting.number, error=text)
    finally:
        timer.cancel()
    return outcome


def _job_group(setting: Setting) -> str:
    return f"labelmill-trial-{setting.trial_id}"


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
