"""What a run page shows, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from labelmill.domain.models.metrics import Evaluation


@dataclass(frozen=True)
class Curve:
    """A trial: its setting and its validation metric per epoch."""

    number: int
    version: int | None
    setting: dict[str, Any]
    state: str
    metric: float | None
    seconds: float | None
    error: str | None
    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class MeasuredVersion:
    """The newest evaluation of a version; its ``measures`` are read where they are shown."""

    version: int
    rows: int
    accuracy: float
    f1_macro: float
    accepted: bool | None
    reasons: list[str]
    slice_digest: str
    measures: Evaluation | None = None


@dataclass(frozen=True)
class MicroBatchRow:
    """One mark on the time line: a micro-batch, or all of one version within a bin of time.

    Attributes:
        version: That labelled them.
        rows: Images labelled.
        milliseconds: Its duration, or the width of the bin.
        started_at: When it started (UTC).
        batches: How many micro-batches it stands for.
    """

    version: int
    rows: int
    milliseconds: int
    started_at: datetime
    batches: int = 1


@dataclass(frozen=True)
class Card:
    """A labelled image on the sheet: its ``pixels`` ``(H, W, C)``, else its PNG thumbnail."""

    image_id: str
    version: int
    label: str
    probability: float
    decision: str
    truth: str | None
    pixels: np.ndarray | None
    thumbnail: bytes | None


@dataclass(frozen=True)
class Tally:
    """Labels of one version, and how many of them agree with the known true classes."""

    version: int
    labels: int
    known: int
    right: int
    review: int


@dataclass(frozen=True)
class Run:
    """Everything that the page shows."""

    collection: str
    model: str
    metric: str
    goal: str
    images: int
    annotated: int
    quarantined: int
    aliases: dict[str, int]
    production_moved_at: datetime | None
    curves: list[Curve]
    measured: list[MeasuredVersion]
    batches: list[MicroBatchRow]
    tallies: list[Tally]
    cards: list[Card]


def best_curve(curves: Sequence[Curve], goal: str) -> Curve | None:
    """The curve with the best final metric, the first of equals; None when no curve has one."""
    sign = -1.0 if goal == "minimize" else 1.0
    ended = [(sign * c.metric, -c.number, c) for c in curves if c.metric is not None]
    return max(ended, key=lambda e: e[:2])[2] if ended else None


def headline_evaluation(run: Run) -> MeasuredVersion | None:
    """The evaluation to show first: of the version that a promotion takes.

    That is the sweep's best by validation of the versions that are accepted; else `production`; else
    the sweep's best of those measured; else any. Not the one with the best held-out accuracy:
    selecting by it would make the figure too good.
    """
    of_version = {m.version: m for m in run.measured}
    curves = [c for c in run.curves if c.version in of_version]
    accepted = [c for c in curves if c.version and of_version[c.version].accepted]
    best, winner = best_curve(accepted, run.goal), best_curve(curves, run.goal)
    versions = (
        best.version if best else None,
        run.aliases.get("production"),
        winner.version if winner else None,
    )
    found = [of_version[v] for v in versions if v in of_version]
    return next(iter(found or run.measured), None)
