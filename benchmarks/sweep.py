"""A sweep of short trials, against a bare loop of the same training in processes that have loaded TensorFlow."""

from __future__ import annotations

import contextlib
import io

from rich.console import Console

from benchmarks.contestants import bare_training
from benchmarks.data import digits, frozen
from benchmarks.data.digits import Digits
from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Contestant, race
from labelmill.domain.models.sweep_plan import SweepPlan
from labelmill.feed.training_set import TrainingSet
from labelmill.pipelines.train.driver import sweep

TRIALS = 8
BARE, SWEEP = "bare loop", "sweep"
COMPARED = (SWEEP,)


def run(options: Options) -> Result:
    """A warm session; each repetition is a sweep of its own, because finished trials are not repeated."""
    result = Result("sweep", __doc__ or "", options.quick, options.repetitions)
    images = options.size(10_000, 1_000)
    held = Digits.read(resources.public_data(digits.IMAGES, digits.CLASSES), images)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(resources.scratch())
        kudu = stack.enter_context(resources.kudu(folder, options.say))
        spark = stack.enter_context(resources.spark(options.cores, kudu.settings))
        training_set = TrainingSet.open(str(frozen.freeze_digits(held, folder / "sets")))
        pool = stack.enter_context(bare_training.processes(options.cores, held))

        def take(repetition: int) -> int:
            report = sweep(
                spark,
                kudu.settings,
                plan_of(repetition),
                training_set,
                console=Console(file=io.StringIO()),
            )
            if report.results["failed"]:
                raise RuntimeError(f"{report.results['failed']} trials failed: {report.notes}")
            return TRIALS

        raced = race(
            [
                Contestant(
                    BARE,
                    lambda repetition: bare_training.trained(pool, plan_of(repetition)),
                    f"`learning.fit` on prepared arrays; {options.cores} processes; no export, nothing stored",
                ),
                Contestant(SWEEP, take, "warm session and workers; a new sweep each time"),
            ],
            options.repetitions,
            options.settle,
            options.say,
        )
    result.count_starts(raced)
    result.rows = [Row.rate(timed, "trials/s") for timed in raced.timed.values()]
    result.figures = [Figure(f"{SWEEP} / {BARE}", raced[SWEEP].ratios(raced[BARE]))]
    result.notes.append(
        f"{TRIALS} trials of family mlp (hidden 128, 3 epochs) on {images:,} images of 28×28. A sweep also "
        "prepares the images, exports each model to ONNX, proves it, and stores model, metrics and trial."
    )
    return result


def plan_of(repetition: int) -> SweepPlan:
    """Eight learning rates; the seed makes it a sweep of its own."""
    return SweepPlan.parse(
        {
            "name": "bench",
            "model": "bench",
            "objective": {"metric": "train_accuracy", "goal": "maximize"},
            "seed": repetition,
            "fixed": {"family": "mlp", "epochs": 3, "batch_size": 64, "hidden": [128]},
            "vary": {"learning_rate": [round(0.01 * (1 + n), 2) for n in range(TRIALS)]},
        }
    )
