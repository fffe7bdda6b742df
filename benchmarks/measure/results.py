"""What a benchmark found: a table for people, JSON for programs, one page of all of them.

``NAME.json`` has: ``benchmark``, ``claim``, ``date`` (UTC), ``quick``, ``commit``, ``machine``,
``load_average_at_start``, ``repetitions``, ``restless_starts`` (starts of a repetition at which the
machine was busy with something else, of ``starts``), ``rows`` (who, unit, min, median, max, note),
``figures`` (what, unit, min, median, max, at_least, at_most, aim, met), ``limit`` (what limits it),
``notes``.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import machine, page
from benchmarks.measure.timing import Race, Spread, Timed

FOLDER = machine.ROOT / "benchmarks" / "results"
AGAINST = "against"
"""Folder of comparisons with another checkout, below a folder of results."""


@dataclass(frozen=True)
class Row:
    """One measured quantity of one contestant."""

    who: str
    unit: str
    spread: Spread
    note: str = ""

    @classmethod
    def rate(cls, timed: Timed, unit: str) -> Row:
        """Items a second."""
        return cls(timed.name, unit, Spread.of(timed.rates), timed.note)


@dataclass(frozen=True)
class Figure:
    """A measured quantity that is held against what was promised.

    Attributes:
        at_least: The median must reach it; None: nothing is promised.
        at_most: The median must not exceed it.
        aim: What would be good.
        judged: False for a run that is too small to say anything.
    """

    what: str
    spread: Spread
    unit: str = "×"
    at_least: float | None = None
    at_most: float | None = None
    aim: float | None = None
    judged: bool = True

    @property
    def met(self) -> bool | None:
        """None when nothing is promised, or the run was too small to say."""
        if not self.judged or (self.at_least is None and self.at_most is None):
            return None
        low = self.at_least is None or self.spread.median >= self.at_least
        return low and (self.at_most is None or self.spread.median <= self.at_most)


@dataclass
class Result:
    """Everything that one benchmark found.

    Attributes:
        limit: The bottleneck, in one sentence.
    """

    benchmark: str
    claim: str
    quick: bool
    repetitions: int
    rows: list[Row] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    limit: str = ""
    notes: list[str] = field(default_factory=list)
    restless: int = 0
    starts: int = 0
    load: list[float] = field(default_factory=machine.load_average)
    date: str = field(
        default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds")
    )

    def count_starts(self, race: Race) -> None:
        """Takes over how quiet the machine was."""
        self.restless += race.restless
        self.starts += race.starts

    @property
    def missed(self) -> list[str]:
        """Figures that were promised and not reached."""
        return [figure.what for figure in self.figures if figure.met is False]

    def to_json(self) -> dict[str, Any]:
        """With the fields listed at the top of this module."""
        return {
            "benchmark": self.benchmark,
            "claim": self.claim,
            "date": self.date,
            "quick": self.quick,
            "commit": machine.commit(),
            "machine": machine.describe(),
            "load_average_at_start": self.load,
            "repetitions": self.repetitions,
            "restless_starts": self.restless,
            "starts": self.starts,
            "rows": [
                {"who": r.who, "unit": r.unit, **rounded(r.spread), "note": r.note}
                for r in self.rows
            ],
            "figures": [
                {
                    "what": f.what,
                    "unit": f.unit,
                    **rounded(f.spread),
                    "at_least": f.at_least,
                    "at_most": f.at_most,
                    "aim": f.aim,
                    "met": f.met,
                }
                for f in self.figures
            ],
            "limit": self.limit,
            "notes": self.notes,
        }

    def write(self, folder: Path) -> Path:
        """Writes ``NAME.json`` and ``NAME.svg``, and the page of all results in the folder.

        Returns:
            The JSON file.
        """
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{self.benchmark}.json"
        content = self.to_json()
        replace(target, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        replace(target.with_suffix(".svg"), page.bars(content["rows"]))
        write_page(folder)
        return target

    def print(self, console: Console) -> None:
        """Shows the result to a person."""
        measured = Table(title=self.claim, title_justify="left")
        for column in ("who", "min", "median", "max", "unit"):
            measured.add_column(column, justify="left" if column in ("who", "unit") else "right")
        for row in self.rows:
            measured.add_row(row.who, *_shown(row.spread), row.unit)
        console.print(measured)
        judged = Table(title="figures", title_justify="left")
        for column in ("what", "min", "median", "max", "unit", "promised", "aim", "met"):
            judged.add_column(column)
        for figure in self.figures:
            promised = page.promised(asdict(figure))
            judged.add_row(
                figure.what,
                *_shown(figure.spread),
                figure.unit,
                promised,
                page.number(figure.aim),
                page.MET[figure.met],
            )
        console.print(judged)
        for sentence in [*filter(None, [self.limit]), *self.notes]:
            console.print(f"· {sentence}", markup=False, highlight=False)


def write_page(folder: Path) -> Path:
    """Makes ``README.md`` of the folder from the JSON files in it."""
    found, against = (
        [json.loads(path.read_text()) for path in sorted(place.glob("*.json"))]
        for place in (folder, folder / AGAINST)
    )
    target = folder / "README.md"
    replace(target, page.markdown(found, against))
    return target


def rounded(spread: Spread) -> dict[str, float]:
    """Four digits of each value, by name."""
    return {name: float(f"{value:.4g}") for name, value in asdict(spread).items()}


def _shown(spread: Spread) -> list[str]:
    return [page.number(value) for value in (spread.min, spread.median, spread.max)]


def replace(target: Path, text: str) -> None:
    """Writes a file at once: nobody sees half of it."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(target)
