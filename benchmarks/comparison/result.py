"""A comparison of two checkouts, run and written down.

``results/against/NAME.json`` has: ``benchmark``, ``date`` (UTC), ``quick``, ``this`` and ``that`` (commits),
``machine``, ``load_average_at_start``, ``repetitions``, ``restless_starts`` of ``starts`` (as in
`benchmarks.measure.results`), ``ratios``: per contestant ``who``, ``min``, ``median``, ``max`` of this /
that, and ``pairs``, the rates (items a second) of both sides by repetition.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.comparison.checkout import Checkout, other_checkout, this_checkout
from benchmarks.comparison.turns import Compared, Side, take_turns
from benchmarks.measure import machine, page, resources, results
from benchmarks.measure.options import Options
from labelmill.errors import InputError


def compare(benchmark: str, against: str, options: Options) -> dict[str, Any]:
    """Times our contestants of a benchmark here and in another checkout, by turns.

    Args:
        benchmark: Its module's name.
        against: A path or a commit.
        options: How to run.

    Returns:
        What is written, with the fields listed at the top of this module.

    Raises:
        InputError: There is nothing to compare, or no such checkout.
        RuntimeError: A side failed.
    """
    contestants = getattr(importlib.import_module(f"benchmarks.{benchmark}"), "COMPARED", ())
    if not contestants:
        raise InputError(f"{benchmark} names no contestants in COMPARED; nothing to compare")
    # Both sides measure with the same data, wherever the other checkout is.
    os.environ["LABELMILL_TEST_DATA"] = str(resources.public_data())
    load = machine.load_average()
    with other_checkout(against, options.say) as other:
        here = this_checkout()
        compared = _time_in_turn(benchmark, contestants, here, other, options)
    return {
        "benchmark": benchmark,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "quick": options.quick,
        "this": here.commit,
        "that": other.commit,
        "machine": machine.describe(),
        "load_average_at_start": load,
        "repetitions": options.repetitions,
        "restless_starts": compared.restless,
        "starts": compared.starts,
        "ratios": [
            {
                "who": name,
                **results.rounded(pairs.ratio),
                "pairs": [
                    [float(f"{rate:.4g}") for rate in rates]
                    for rates in zip(pairs.this, pairs.that, strict=True)
                ],
            }
            for name, pairs in compared.pairs.items()
        ],
    }


def _time_in_turn(
    benchmark: str, contestants: Sequence[str], here: Checkout, other: Checkout, options: Options
) -> Compared:
    asked = {
        "benchmark": benchmark,
        "contestants": contestants,
        "quick": options.quick,
        "cores": options.cores,
    }
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(resources.scratch())
        this = stack.enter_context(Side(here, folder / "this.log"))
        that = stack.enter_context(Side(other, folder / "that.log"))
        options.say("starting and warming up both sides")
        for side in (this, that):
            side.send(**asked)
        found = [set(side.answer()["ready"]) for side in (this, that)]
        common = [name for name in contestants if all(name in names for names in found)]
        for name in contestants:
            if name not in common:
                options.say(f"{name}: not a contestant of both sides; left out")
        if not common:
            raise InputError(
                f"{benchmark}: the sides have no contestant in common; this one has "
                f"{', '.join(contestants)}"
            )
        return take_turns(
            common, this.rate, that.rate, options.repetitions, options.settle, options.say
        )


def write(content: dict[str, Any], folder: Path) -> Path:
    """Writes a comparison below a folder of results, and that folder's page.

    Returns:
        The JSON file.
    """
    target = folder / results.AGAINST / f"{content['benchmark']}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    results.replace(target, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    results.write_page(folder)
    return target


def show(content: dict[str, Any], console: Console) -> None:
    """Prints a comparison for people."""
    table = Table(
        title=f"{content['benchmark']}: this ({content['this']}) / that ({content['that']})",
        title_justify="left",
    )
    for column in ("who", "min", "median", "max"):
        table.add_column(column, justify="left" if column == "who" else "right")
    for row in content["ratios"]:
        table.add_row(row["who"], *(page.ratio(row[key]) for key in ("min", "median", "max")))
    console.print(table)
