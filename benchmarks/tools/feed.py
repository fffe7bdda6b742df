"""``bin/bench feed``: how fast a training set is fed, and what that takes."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.contestants.maps import MAPS
from benchmarks.contestants.probe import WAYS, Asked, probe
from benchmarks.data import digits
from benchmarks.data.digits import Digits
from benchmarks.data.frozen import freeze_digits
from benchmarks.measure import machine, page, resources
from benchmarks.measure.options import Options
from benchmarks.measure.timing import Spread
from labelmill.errors import LabelmillError, NoData
from labelmill.settings import default_home


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="bin/bench feed",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Feeds a training set, each way in a process of its own, and prints samples/s, MB/s, cores\n"
        "used, memory and the wait for the first batch; also as JSON.",
        epilog="MB/s: bytes of what the batches hold, after maps; 1 MB is a million bytes. own: memory that is\n"
        "no file's (RssAnon) at the end; all: with the pages of the memory map (Rss), which the system\n"
        "takes back when others need them.\n"
        f"Maps: {', '.join(MAPS)}. Exit codes as with jobs.",
    )
    made.add_argument(
        "training_set",
        nargs="?",
        help="folder, URI or digest; default: one made of MNIST, or of noise where that is absent",
    )
    made.add_argument("--root", help="where digests are looked for; default: the settings'")
    made.add_argument("--split", default="train", help="default: train")
    made.add_argument("--batch", type=int, default=128, metavar="N", help="default: 128")
    made.add_argument("--epochs", type=int, default=5, metavar="N", help="default: 5")
    made.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="NAME[:ARGUMENTS]",
        help='repeatable, in order: flip, shift:2,2, prepared:["grey",{"resize":[28,28]}]',
    )
    made.add_argument("--way", choices=WAYS, help="default: both")
    made.add_argument("--no-shuffle", action="store_true", help="in the frozen order")
    made.add_argument("--cache", action="store_true", help="keep rows in memory")
    made.add_argument("--prefetch", type=int, default=2, metavar="N", help="batches; default: 2")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    made.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="default: bench/feed.json in LABELMILL_HOME",
    )
    return made


def main(arguments: list[str]) -> int:
    """Measures what was asked for; the exit code."""
    line = parser()
    given = line.parse_args(arguments)
    if given.epochs < 1:
        line.error(f"--epochs {given.epochs}; expected 1 or more")
    asked = Asked(
        given.training_set or "",
        root=given.root,
        split=given.split,
        batch=given.batch,
        epochs=given.epochs,
        maps=given.map,
        shuffle=not given.no_shuffle,
        seed=given.seed,
        cache=given.cache,
        prefetch=given.prefetch,
    )
    ways = [given.way] if given.way else list(WAYS)
    target = given.json or default_home() / "bench" / "feed.json"
    try:
        with contextlib.ExitStack() as stack:
            if not given.training_set:
                folder = stack.enter_context(resources.scratch())
                asked = replace(asked, training_set=str(_made(folder, Options().say)))
            found = {way: probe(replace(asked, way=way)) for way in ways}
    except LabelmillError as error:
        print(f"feed: {error}", file=sys.stderr)
        if os.environ.get("LABELMILL_DEBUG"):
            raise
        return error.exit_code
    report = {
        "asked": {**vars(given), "json": str(target), "training_set": asked.training_set},
        "commit": machine.commit(),
        "machine": machine.describe(),
        "load_average": machine.load_average(),
        "ways": {way: summary(answer) for way, answer in found.items()},
    }
    Console(width=None if sys.stdout.isatty() else 140).print(_table(report["ways"]))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(report, indent=1) + "\n")
    print(target)
    return 0


def summary(answer: dict[str, Any]) -> dict[str, Any]:
    """What `probe` answered, as figures: min, median and max over the epochs."""
    epochs, rows, size = answer["epochs"], answer["rows"], answer["bytes"]

    def spread(values: list[float]) -> dict[str, float]:
        return vars(Spread.of(values))

    return {
        "rows": rows,
        "element": answer["element"],
        "samples_per_s": spread([rows / one["seconds"] for one in epochs]),
        "mb_per_s": spread([size / 1e6 / one["seconds"] for one in epochs]),
        "cores": spread([one["cpu"] / one["seconds"] for one in epochs]),
        "own_mib": epochs[-1]["own"] / 2**20,
        "own_growth_mib": (epochs[-1]["own"] - epochs[0]["own"]) / 2**20,
        "all_mib": epochs[-1]["rss"] / 2**20,
        "idle_own_mib": answer["idle"]["own"] / 2**20,
        "open_ms": answer["open_ms"],
        "first_batch_ms": answer["first_batch_ms"],
    }


def _made(folder: Path, say: Any) -> Path:
    try:
        held = Digits.read(resources.public_data(digits.IMAGES, digits.CLASSES))
        say("freezing MNIST's 60,000 images for the run")
    except NoData as absent:
        say(f"{absent}; noise instead")
        held = Digits.made(60_000)
    return freeze_digits(held, folder)


def _table(ways: dict[str, dict[str, Any]]) -> Table:
    first = next(iter(ways.values()))
    table = Table(
        title=f"{first['rows']:,} rows an epoch; a batch is {first['element']}",
        title_justify="left",
    )
    table.add_column("")
    for way in ways:
        table.add_column(f".{way}()", justify="right")
    lines = {
        "samples/s": lambda way: _three(way["samples_per_s"]),
        "MB/s": lambda way: _three(way["mb_per_s"]),
        "cores": lambda way: _three(way["cores"]),
        "memory of its own, MiB": lambda way: (
            f"{way['own_mib']:,.0f} (before opening {way['idle_own_mib']:,.0f})"
        ),
        "growth since epoch 1, MiB": lambda way: f"{way['own_growth_mib']:+,.1f}",
        "all memory, MiB": lambda way: f"{way['all_mib']:,.0f}",
        "open, ms": lambda way: page.number(way["open_ms"]),
        "first batch, ms": lambda way: page.number(way["first_batch_ms"]),
    }
    for name, shown in lines.items():
        table.add_row(name, *(shown(way) for way in ways.values()))
    return table


def _three(spread: dict[str, float]) -> str:
    low, middle, high = (page.number(spread[key]) for key in ("min", "median", "max"))
    return f"{middle} ({low} – {high})"
