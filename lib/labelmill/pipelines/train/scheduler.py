"""Trials as Spark jobs of one task each, submitted by as many driver threads as there are slots."""

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
"""Begins the error of a trial that Spark gave up: the next run tries it again by itself."""


def outcomes(
    context: SparkContext, tasks: list[TrialTask], slots: int, timeout: float | None
) -> Iterator[Outcome]:
    """Outcomes in the order in which trials end; at most `slots` run or wait in Spark."""
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
            # Interrupted, or Kudu is gone: threads must not wait for trials that nobody wants.
            for task in tasks:
                context.cancelJobGroup(_group(task.setting))
            raise


def _submit(context: SparkContext, task: TrialTask, timeout: float | None) -> Outcome:
    """Runs one trial as a Spark job of one task; a lost executor is a failed trial too."""
    group = _group(task.setting)
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
        text = f"took longer than {timeout:g} s" if late.is_set() else _reason(error)
        return Outcome(task.setting.number, error=text)
    finally:
        timer.cancel()
    return outcome


def _group(setting: Setting) -> str:
    return f"labelmill-trial-{setting.trial_id}"


def _reason(error: Exception) -> str:
    """What Spark's long text says happened: the worker's own error, else why the job was given up."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    own = [line for line in lines if re.match(r"[A-Za-z_.]+(Error|Exception|Exit): ", line)]
    given_up = [line for line in lines if "Job aborted" in line or "cancelled" in line]
    return f"{LOST}: {(own or given_up or lines or [repr(error)])[0].lstrip(': ')}"[:2000]
