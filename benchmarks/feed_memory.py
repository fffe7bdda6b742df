"""Memory over ten epochs, and of a set larger than the memory it may take."""

from __future__ import annotations

from typing import Any

from benchmarks.contestants.probe import WAYS, Asked, probe
from benchmarks.data.digits import Digits
from benchmarks.data.frozen import freeze_digits
from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Spread
from labelmill.feed.files.manifest import read_manifest

EPOCHS = 10
FLAT_MIB = 10.0
"""A block of batches is 8 MiB: what grows by less keeps no images."""

LIMIT_MIB = 256


def run(options: Options) -> Result:
    """Each way in a process of its own, several times."""
    result = Result("feed_memory", __doc__ or "", options.quick, min(options.repetitions, 3))
    count = options.size(60_000, 6_000)
    side = options.size(96, 28)
    limit = LIMIT_MIB << 20
    with resources.scratch() as folder:
        options.say("writing training sets")
        small = freeze_digits(Digits.made(count), folder / "small")
        large = freeze_digits(Digits.made(count, side), folder / "large")
        size = sum(file.stat().st_size for file in large.iterdir())
        for way in WAYS:
            flat: list[dict[str, Any]] = []
            limited: list[dict[str, Any]] = []
            for repetition in range(result.repetitions):
                options.say(f"{repetition + 1}/{result.repetitions} .{way}()")
                flat.append(probe(Asked(str(small), way, epochs=EPOCHS)))
                # Past the limit it would end with a MemoryError, and so would this.
                limited.append(probe(Asked(str(large), way, epochs=2, data_limit=limit)))
            _tell(result, way, flat, limited, read_manifest(str(large)).rows, size, limit)
    result.limit = (
        "The memory map is the system's page cache: it is counted in Rss, given back when somebody needs "
        "it, and left out here (RssAnon, RLIMIT_DATA)."
    )
    result.notes.append(
        f"{count:,} images of noise, 28×28 and {side}×{side}, batches of 128, shuffled, each run in a "
        "process of its own."
    )
    return result


def _tell(
    result: Result,
    way: str,
    flat: list[dict[str, Any]],
    limited: list[dict[str, Any]],
    rows: int,
    size: int,
    limit: int,
) -> None:
    def mib(runs: list[dict[str, Any]], epoch: int) -> Spread:
        return Spread.of(run["epochs"][epoch]["own"] / 2**20 for run in runs)

    idle = Spread.of(run["idle"]["own"] / 2**20 for run in flat)
    grown = Spread.of((run["epochs"][-1]["own"] - run["epochs"][0]["own"]) / 2**20 for run in flat)
    result.rows += [
        Row(f".{way}(): before opening", "MiB", idle, "modules loaded; RssAnon"),
        Row(f".{way}(): after epoch 1", "MiB", mib(flat, 0)),
        Row(f".{way}(): after epoch {EPOCHS}", "MiB", mib(flat, -1)),
        Row(
            f".{way}(): large set, after epoch 2", "MiB", mib(limited, -1),
            f"{size / 2**20:,.0f} MiB of shards with {limit / 2**20:.0f} MiB of memory to be had",
        ),
    ]  # fmt: skip
    judged = not result.quick
    result.figures += [
        Figure(
            f".{way}(): growth from epoch 1 to {EPOCHS}",
            grown,
            "MiB",
            at_most=FLAT_MIB,
            judged=judged,
        ),
        Figure(
            f".{way}(): set fed whole / memory to be had",
            Spread.of(run["rows"] / rows * size / limit for run in limited),
            at_least=1.0,
            judged=judged,
        ),
    ]
