"""The wait for the first batch after opening 60,000 28×28 images, beyond what TensorFlow itself needs."""

from __future__ import annotations

from benchmarks.contestants.first_batches import wait_of
from benchmarks.data import digits
from benchmarks.data.digits import Digits
from benchmarks.data.frozen import freeze_digits
from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Spread

MOST_MS = 50.0
WAYS = {
    "ours": "`TrainingSet.open(…)`, every shard verified, `.tf(128)` shuffled, the first batch",
    "generator": "TensorFlow itself: `from_generator` over whole batches of an array in memory, unshuffled",
    "slices": "arrays in memory: `from_tensor_slices(…).shuffle(60_000).batch(128)`",
    "ready": "`from_tensors` of one batch: TensorFlow's own start",
}
ITSELF = "ready"


def run(options: Options) -> Result:
    """Each measurement in a fresh process whose modules are loaded."""
    data = resources.public_data(digits.IMAGES, digits.CLASSES)
    result = Result("first_batch", __doc__ or "", options.quick, options.repetitions)
    waits: dict[str, list[float]] = {way: [] for way in WAYS}
    with resources.scratch() as folder:
        held = Digits.read(data, options.size(60_000, 6_000))
        held.write(folder / "arrays")
        opened = freeze_digits(held, folder / "training_sets")
        for repetition in range(options.repetitions + 1):
            for way in WAYS:
                result.starts += 1
                result.restless += not options.settle()
                waited = wait_of(way, opened if way == "ours" else folder / "arrays")
                options.say(f"{repetition}/{options.repetitions} {way}: {waited:.0f} ms")
                if repetition:  # the first reads programs and files from the disk
                    waits[way].append(waited)
    result.rows = [Row(way, "ms", Spread.of(waits[way]), note) for way, note in WAYS.items()]
    for way in WAYS:
        if way != "ours":
            beyond = Spread.of(a - b for a, b in zip(waits["ours"], waits[way], strict=True))
            most = MOST_MS if way == ITSELF else None
            result.figures.append(
                Figure(f"ours − {way}", beyond, "ms", at_most=most, judged=not options.quick)
            )
    result.limit = (
        "What TensorFlow itself needs is its start and one batch that is ready. The rest is verifying "
        f"{held.images.nbytes / 2**20:.0f} MiB of shards, and the order of the first rows."
    )
    return result
