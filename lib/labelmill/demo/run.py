"""Runs the demo's steps in order; each runs the pipeline of the job of the same name."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from labelmill.demo import summary, workspace
from labelmill.demo.console import DemoProgress
from labelmill.demo.steps import DemoSteps
from labelmill.errors import InputError
from labelmill.pipelines.train.driver import read_plan
from labelmill.settings import Settings

ROOT = Path(__file__).parents[3]
"""The checkout: the demo runs one of its jobs and reads its sweep files."""

STEP_COUNT = 11

DIGITS_ERROR = 0.04
"""Acceptable error on the default digits: at least 96 % of the held-out images are correct."""


@dataclass(frozen=True)
class Choices:
    """The command's flags; see ``bin/demo --help``."""

    images: Path | None
    sweep: Path | None
    max_error: float | None
    report: Path
    master: str
    keep: bool


def run_demo(base: Settings, choices: Choices, console: Console) -> None:
    """Runs the whole demo.

    Raises:
        LabelmillError: A step failed; nothing is left running.
    """
    default = "digits.yaml" if choices.images is None else "mnist.yaml"
    # Checked before anything starts, so that a typo costs a second and not a minute.
    plan = read_plan(choices.sweep or ROOT / "conf" / "sweeps" / default)
    if not (ROOT / "jobs" / "label_stream.py").is_file():
        raise InputError(
            f"{ROOT / 'jobs'} does not hold the jobs; run the demo from a checkout of labelmill"
        )
    max_error = choices.max_error
    if max_error is None and choices.images is None:
        max_error = DIGITS_ERROR
    progress = DemoProgress(console, STEP_COUNT)
    started = time.monotonic()
    with workspace.exclusive_home(base) as home, ExitStack() as running:
        with progress.step(
            "up", "a real Kudu, a real Kafka and a Spark with two executors"
        ) as step:
            settings = running.enter_context(workspace.servers(base, home, choices.keep, step.say))
            client = running.enter_context(workspace.fresh_tables(settings))
            step.say("starting Spark")
            spark = running.enter_context(workspace.spark_session(choices.master, home))
            step.done(
                f"Kudu {settings.masters()}, Kafka {settings.brokers()}, Spark {choices.master}",
                f"data and logs of the servers: {home}",
            )
        steps = DemoSteps(settings, progress, spark, client, ROOT, home, plan)
        collection = steps.ingest(choices.images)
        training_set = steps.freeze(collection)
        steps.sweep(training_set)
        steps.evaluate(training_set, max_error)
        stream_steps = steps.stream_steps()
        with stream_steps.stream() as stream:
            stream_steps.publish(training_set)
            stream_steps.swap(stream)
            stream_steps.drain(stream, collection)
        run = steps.report(collection, choices.report)
        with progress.step("down", "stop what was started") as step:
            running.close()
            step.done(
                "the servers keep running (--keep)" if choices.keep else "nothing is left running"
            )
    seconds = time.monotonic() - started
    summary.show_summary(console, run, steps.promoted, progress, choices.report, seconds)
    if choices.keep:
        summary.show_next_commands(console, settings, collection, plan.model)
