"""An epoch over 60,000 28×28 images in shuffled batches of 128, against other ways to feed TensorFlow."""

from __future__ import annotations

import contextlib
import statistics

from benchmarks.contestants.epochs import OURS, Feeder, Way
from benchmarks.data import digits
from benchmarks.data.digits import Digits
from benchmarks.data.frozen import freeze_digits
from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Race, race
from labelmill.errors import NoData

BATCH = 128
TF, NUMPY = "training set, .tf()", "training set, .numpy()"
SLICES, PETASTORM, RECORDS = "from_tensor_slices", "petastorm converter", "TFRecord"
STREAMING, ALONE, GENERATOR = "Streaming, workers", "Streaming, alone", "from_generator"
LOOP, CAST = "numpy loop", "numpy loop, cast"
COMPARED = (TF, NUMPY)

WAYS = [
    Way(TF, "labelmill", "tf", "`TrainingSet.open(…).tf(128)`, memory-mapped shards", script=OURS),
    Way(NUMPY, "labelmill", "numpy", "`TrainingSet.open(…).numpy(128)`", script=OURS),
    Way(LOOP, "tensorflow", "numpy", "arrays in memory: permute, take 128 at a time; no TensorFlow"),
    Way(CAST, "tensorflow", "numpy_cast", "the same, and cast to float32"),
    Way(
        SLICES, "tensorflow", "slices",
        "arrays in memory: `from_tensor_slices(…).shuffle(60_000).batch(128)`",
    ),
    Way(
        f"{SLICES}, prefetch", "tensorflow", "slices_prefetched", "the same and `.prefetch(AUTOTUNE)`"
    ),
    Way(
        RECORDS, "tensorflow", "records",
        "one TFRecord file: shuffle(60_000), batch, parse a batch at a time in parallel, prefetch",
    ),
    Way(
        PETASTORM, "petastorm", "documented",
        "petastorm 0.13.1 `make_spark_converter(…).make_tf_dataset(…)` over an array of floats, as its "
        "MNIST example shows; shuffling queue of 60,000, as many workers as cores",
        own=True,
    ),
    Way(
        f"{PETASTORM}, tuned", "petastorm", "tuned",
        "the same over a binary column that is decoded a batch at a time",
        own=True,
    ),
    Way(
        STREAMING, "streaming", "workers",
        "MosaicML Streaming 0.13.0, MDS shards, shuffled, DataLoader with as many workers as cores, "
        "kept between epochs",
        own=True,
    ),
    Way(ALONE, "streaming", "alone", "the same without workers", own=True),
    Way(GENERATOR, "tensorflow", "generator", "row by row from a Python generator that permutes"),
]  # fmt: skip

PROMISED = {SLICES: 2.0, PETASTORM: 10.0, RECORDS: 2.0, STREAMING: 5.0, ALONE: 5.0, GENERATOR: 20.0}
PEERS = [
    SLICES,
    f"{SLICES}, prefetch",
    RECORDS,
    PETASTORM,
    f"{PETASTORM}, tuned",
    STREAMING,
    ALONE,
    GENERATOR,
]


def run(options: Options) -> Result:
    """Each way in a process of its own; all of them loop over the batches in Python."""
    data = resources.public_data(digits.IMAGES, digits.CLASSES)
    result = Result("feed_epoch", __doc__ or "", options.quick, options.repetitions)
    held = Digits.read(data, options.size(60_000, 6_000))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(resources.scratch())
        options.say("writing arrays and a training set")
        asked = {
            **held.write(folder / "arrays"),
            "location": str(freeze_digits(held, folder / "training_sets")),
            "folder": str(folder),
            "batch": BATCH,
            "cores": options.cores,
        }
        feeders, contestants = [], []
        for way in WAYS:
            feeder = Feeder(way, held, asked)
            try:
                contestants.append(stack.enter_context(feeder.started(folder)))
            except NoData as absent:
                result.notes.append(f"{absent}; this run is without it.")
            else:
                feeders.append(feeder)
        raced = race(contestants, options.repetitions, options.settle, options.say)
    result.count_starts(raced)
    result.rows = [Row.rate(timed, "images/s") for timed in raced.timed.values()]
    for feeder in feeders:
        result.rows += feeder.turns.rows(feeder.way.name)
    _judge(result, raced)
    result.limit = _where_the_rest_goes(raced)
    result.notes.append(
        f"{len(held):,} images; several epochs a turn where they are short. Every way was looked at "
        "before: an epoch holds each image once (number, sum of pixels, classes) and the next has "
        "another order. All but the numpy loops and Streaming give tensors of TensorFlow."
    )
    return result


def _judge(result: Result, raced: Race) -> None:
    judged = not result.quick
    for name in PEERS:
        if name in raced.timed:
            ratio, least = raced[TF].ratios(raced[name]), PROMISED.get(name)
            result.figures.append(Figure(f"{TF} / {name}", ratio, at_least=least, judged=judged))
    for ours in (TF, NUMPY):
        for name in (LOOP, CAST):
            result.figures.append(Figure(f"{ours} / {name}", raced[ours].ratios(raced[name])))


def _where_the_rest_goes(raced: Race) -> str:
    """Microseconds a batch: what a bare loop needs, what `.numpy()` adds, what TensorFlow adds."""
    loop, ours, tensors = (
        BATCH / statistics.median(raced[name].rates) * 1e6 for name in (LOOP, NUMPY, TF)
    )
    return (
        f"A batch takes a bare numpy loop {loop:.0f} µs, `.numpy()` {ours:.0f} µs and `.tf()` "
        f"{tensors:.0f} µs: of the last, {100 * min(loop, tensors) / tensors:.0f} % is copying rows in "
        f"a new order, {100 * (ours - loop) / tensors:.0f} % is reading shards instead of one array, "
        f"counting and reading ahead, {100 * (tensors - ours) / tensors:.0f} % is the way through "
        "TensorFlow and its Python iterator."
    )
