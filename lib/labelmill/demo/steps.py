"""The steps of the demo except those of the stream: what each does and prints."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from pyspark.sql import SparkSession

from labelmill.demo.console import DemoProgress
from labelmill.demo.stream_steps import FEWEST_HELD_OUT, StreamSteps
from labelmill.domain.models.sweep_plan import SweepPlan
from labelmill.domain.splits.assign import Division
from labelmill.errors import AllFailed, NoData, NotAccepted
from labelmill.feed.training_set import TrainingSet
from labelmill.pipelines.evaluate.driver import evaluate
from labelmill.pipelines.evaluate.slice_rows import Slice
from labelmill.pipelines.freeze.driver import freeze, truth_sql
from labelmill.pipelines.ingest.driver import ingest
from labelmill.pipelines.train.driver import sweep
from labelmill.serving import run_page
from labelmill.serving.run_data import Run
from labelmill.serving.run_reader import read_run
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.testing.samples import write_digits
from labelmill.training_sets.assembly.options import Options


class DemoSteps:
    """The steps and their shared state.

    Args:
        settings: Of the demo's own home and servers.
        progress: Shows the steps.
        spark: Open session.
        client: Open row client.
        root: The checkout.
        home: The demo's folder.
        plan: The sweep.
    """

    def __init__(
        self,
        settings: Settings,
        progress: DemoProgress,
        spark: SparkSession,
        client: RowClient,
        root: Path,
        home: Path,
        plan: SweepPlan,
    ) -> None:
        self._settings, self._progress, self._spark, self._client = (
            settings,
            progress,
            spark,
            client,
        )
        self._root, self._home, self._plan = root, home, plan
        self._ranked: list[int] = []
        self._best, self._second, self._held_out = 0, 0, 0

    def ingest(self, images: Path | None) -> str:
        """Ingests the images; returns the collection's name."""
        with self._progress.step("ingest", "PNG files → arrays and metadata in Kudu") as step:
            if images is None:
                collection, source = "digits", write_digits(self._home / "digits")
            else:
                collection, source = collection_name(images), images
            report = ingest(self._spark, self._settings, str(source), collection)
            done = report.results
            step.done(
                f"{done['new']:,} images, {done['annotations']:,} annotations, "
                f"{done['quarantined']:,} quarantined, {done['images_per_second']:,.0f} images/s",
                f"as a job: bin/submit jobs/ingest_images.py {source} --collection {collection}",
            )
        return collection

    def freeze(self, collection: str) -> TrainingSet:
        """Freezes a slice to a training set."""
        with self._progress.step("slice", "SQL at a Kudu snapshot → a training set") as step:
            report = freeze(
                self._spark,
                self._settings,
                truth_sql(collection),
                collection,
                Options(Division(fractions=(0.7, 0.1, 0.2)), source_splits=True),
            )
            done = report.results
            splits = ", ".join(f"{name} {rows:,}" for name, rows in done["splits"].items())
            step.done(
                f"{done['rows']:,} images of {len(done['classes'])} classes ({splits}), "
                f"digest {done['digest'][:12]}",
                f"{done['location']}/manifest.json",
            )
        held_out = done["splits"].get("test", 0)
        if held_out < FEWEST_HELD_OUT:
            raise NoData(
                f"{held_out} of {done['rows']:,} images are held out, but the demo needs "
                f"{FEWEST_HELD_OUT} to show a swap; give about {5 * FEWEST_HELD_OUT} images, or a "
                f"folder `test` with {FEWEST_HELD_OUT}"
            )
        return TrainingSet.open(done["location"])

    def sweep(self, training_set: TrainingSet) -> None:
        """Trains one model per executor task; remembers the versions, the best first."""
        settings = self._plan.settings()
        doing = f"{len(settings)} settings, one model per executor task"
        with self._progress.step("sweep", doing) as step:
            report = sweep(self._spark, self._settings, self._plan, training_set)
            if report.error is not None:
                raise AllFailed(report.error)
            metric = self._plan.metric
            trials = [t for t in report.tables["trials"] if t["state"] == "done"]
            trials.sort(key=lambda t: t[metric], reverse=self._plan.goal == "maximize")
            if len(trials) < 2:
                raise AllFailed(
                    f"{len(trials)} of {len(settings)} trials succeeded, but the demo swaps between two. "
                    f"Failed: {[t['error'] for t in report.tables['trials'] if t['error']][:3]}"
                )
            self._ranked = [trial["version"] for trial in trials]
            step.done(
                f"{len(trials)} models, {report.results['failed']} failed; best {metric} "
                f"{trials[0][metric]:.4f} (version {self._ranked[0]}), then version "
                f"{self._ranked[1]}"
            )

    def evaluate(self, training_set: TrainingSet, max_error: float | None) -> None:
        """Measures all versions on held-out images; promotes the accepted one best by validation."""
        limit = guessing_error(training_set) if max_error is None else max_error
        meaning = ", that of always guessing the most frequent class" if max_error is None else ""
        doing = f"on held-out images; acceptable error {limit:.4f}{meaning}, set beforehand"
        with self._progress.step("evaluate", doing) as step:
            on = Slice(training_set=training_set.location, split="test")
            report = evaluate(
                self._spark, self._settings, self._plan.model, on,
                ",".join(map(str, self._ranked)), limit, promote=True,
            )  # fmt: skip
            measured = {row["version"]: row for row in report.tables["evaluations"]}
            if report.error is not None:
                raise NotAccepted(f"{report.error}. {' '.join(report.notes)}")
            self._best, self._second = versions_to_swap(
                self._ranked, report.results["accepted_versions"]
            )
            chosen = self._best
            self._held_out = report.results["rows"]
            step.done(
                f"version {chosen} is production: accuracy {measured[chosen]['accuracy']:.4f} on "
                f"{self._held_out:,} images that no model was trained on",
                f"as a job: bin/submit jobs/evaluate_models.py {self._plan.model} --training-set … "
                f"--max-error {limit:.4f} --promote",
            )

    def stream_steps(self) -> StreamSteps:
        """The steps of the stream."""
        return StreamSteps(
            self._settings, self._progress, self._client, self._root, self._plan.model,
            self._best, self._second, self._held_out,
        )  # fmt: skip

    @property
    def promoted(self) -> int:
        """The version that the evaluation promoted."""
        return self._best

    def report(self, collection: str, out: Path) -> Run:
        """Writes the page of the run."""
        with self._progress.step("report", "one self-contained page") as step:
            run = read_run(self._spark, self._settings, collection, self._plan.model)
            run_page.write(run, out)
            step.done(f"{out.absolute()}", "open it in a browser")
        return run


def versions_to_swap(ranked: Sequence[int], accepted: Collection[int]) -> tuple[int, int]:
    """The version that serves first and the one that takes its place: both are accepted.

    Args:
        ranked: Versions, the best by validation first.
        accepted: Those that meet the acceptable error.

    Raises:
        NotAccepted: Fewer than two are accepted.
    """
    fitting = [version for version in ranked if version in accepted]
    if len(fitting) < 2:
        raise NotAccepted(
            f"{len(fitting)} of {len(ranked)} versions meet the acceptable error, but the demo swaps "
            "between two; state a larger one with --max-error, or vary more with --sweep"
        )
    return fitting[0], fitting[1]


def guessing_error(training_set: TrainingSet) -> float:
    """The error of always predicting the most frequent class of the training split.

    The acceptable error for images that the demo knows nothing about: a version that is accepted is
    no worse than guessing, and that is all.
    """
    train = training_set.manifest.histogram["train"]
    return 1 - max(train.values()) / sum(train.values())


def collection_name(images: Path) -> str:
    """A collection's name from a path: letters, digits, ``_ . -``."""
    stem = images.absolute().name
    for end in (".tar.gz", ".tgz", ".tar"):
        stem = stem.removesuffix(end)
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-.") or "images"
