"""The demo's steps in order; each is the pipeline that the job of the same name runs."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from labelmill.demo import summary
from labelmill.demo import workspace as place
from labelmill.demo.console import Stages
from labelmill.demo.steps import Telling
from labelmill.errors import InputError
from labelmill.pipelines.train.driver import read_plan
from labelmill.settings import Settings

ROOT = Path(__file__).parents[3]
"""The checkout: the demo runs a job of it and reads its sweep files."""

STEPS = 11

DIGITS_ERROR = 0.04
"""Acceptable error on the default digits: 0.96 of the held-out images right."""


@dataclass(frozen=True)
class Choices:
    """The command's flags; see ``bin/demo --help``."""

    images: Path | None
    sweep: Path | None
    max_error: float | None
    report: Path
    master: str
    keep: bool


def run(base: Settings, choices: Choices, console: Console) -> None:
    """Runs the whole demo.

    Raises:
        LabelmillError: A step failed; nothing is left running.
    """
    default = "digits.yaml" if choices.images is None else "mnist.yaml"
    # Before anything is started: a typo costs a second, not a minute.
    plan = read_plan(choices.sweep or ROOT / "conf" / "sweeps" / default)
    if not (ROOT / "jobs" / "label_stream.py").is_file():
        raise InputError(f"the demo runs from a checkout, and {ROOT / 'jobs'} holds no jobs")
    bound = choices.max_error
    if bound is None and choices.images is None:
        bound = DIGITS_ERROR
    stages = Stages(console, STEPS)
    started = time.monotonic()
    with place.alone(base) as home, ExitStack() as running:
        with stages.step("up", "a real Kudu, a real Kafka and a Spark with two executors") as step:
            settings = running.enter_context(place.servers(base, home, choices.keep, step.say))
            client = running.enter_context(place.fresh_tables(settings))
            step.say("starting Spark")
            spark = running.enter_context(place.spark_on(choices.master, home))
            step.done(
                f"Kudu {settings.masters()}, Kafka {settings.brokers()}, Spark {choices.master}",
                f"servers' data and logs: {home}",
            )
        told = Telling(settings, stages, spark, client, ROOT, home, plan)
        collection = told.ingest(choices.images)
        training_set = told.freeze(collection)
        told.sweep(training_set)
        told.evaluate(training_set, bound)
        live = told.live()
        with live.stream() as stream:
            live.publish(training_set)
            live.swap(stream)
            live.drain(stream, collection)
        run_page = told.report(collection, choices.report)
        with stages.step("down", "what was started is stopped") as step:
            running.close()
            step.done("the servers stay up (--keep)" if choices.keep else "nothing is left running")
    summary.show(console, run_page, stages, choices.report, time.monotonic() - started)
    if choices.keep:
        summary.what_next(console, settings, collection, plan.model)
