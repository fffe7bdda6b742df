"""The share of its time that a training step of the MLP waits for data."""

from __future__ import annotations

from benchmarks.contestants.training import BATCH, trained
from benchmarks.data import digits
from benchmarks.data.digits import Digits
from benchmarks.data.frozen import freeze_digits
from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Spread

MOST = 3.0


def run(options: Options) -> Result:
    """Epochs of the family `mlp` as it comes, on one core, fed by a training set."""
    data = resources.public_data(digits.IMAGES, digits.CLASSES)
    result = Result("training_wait", __doc__ or "", options.quick, options.repetitions)
    with resources.scratch() as folder:
        held = Digits.read(data, options.size(60_000, 6_000))
        location = freeze_digits(held, folder)
        result.starts += 1
        result.restless += not options.settle()
        epochs = trained(str(location), options.repetitions)
    result.rows = [
        Row("step", "µs", Spread.of(1e6 * one["seconds"] / one["steps"] for one in epochs)),
        Row(
            "wait of a step", "µs", Spread.of(1e6 * one["waited"] / one["steps"] for one in epochs),
            "in `next()` of the dataset's iterator, from Python",
        ),
        Row(
            "step on one batch that is there", "µs",
            Spread.of(1e6 * one["resident"] / one["steps"] for one in epochs),
        ),
        Row(
            "step of an epoch that is one graph", "µs",
            Spread.of(1e6 * one["compiled"] / one["steps"] for one in epochs),
            "`tf.function` over the whole dataset",
        ),
        Row(
            "the same on one batch that is there", "µs",
            Spread.of(1e6 * one["compiled_resident"] / one["steps"] for one in epochs),
        ),
    ]  # fmt: skip
    waited = Spread.of(100 * one["waited"] / one["seconds"] for one in epochs)
    slower = Spread.of(100 * (one["seconds"] / one["resident"] - 1) for one in epochs)
    graph = Spread.of(100 * (one["compiled"] / one["compiled_resident"] - 1) for one in epochs)
    result.figures = [
        Figure(
            "time that a step waits for data", waited, "%", at_most=MOST, judged=not options.quick
        ),
        Figure("an epoch that is fed is longer than one that is not by", slower, "%"),
        Figure(
            "an epoch that is one graph, and fed, is longer than one that is not by", graph, "%"
        ),
    ]
    result.limit = (
        "Images are gathered and prepared by a thread beside the training, which takes its share of the "
        "memory's bandwidth and of Python's lock."
    )
    result.notes.append(
        f"Family `mlp` with its defaults, batches of {BATCH}, one thread of TensorFlow; images prepared "
        "to float32 0..1 by a map. The first epoch, in which TensorFlow traces, is left out."
    )
    return result
