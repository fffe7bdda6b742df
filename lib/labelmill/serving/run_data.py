"""Reads what a run page shows out of the catalogue, by SQL over its views."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from pyspark.sql import SparkSession

from labelmill.domain.images.image import from_bytes
from labelmill.errors import NoData
from labelmill.settings import Settings
from labelmill.sql import catalogue

SHEET_IMAGES = 60
"""Images on the sheet: two screens of them; more are a query away."""

CARD_SIDE = 192
"""Larger images are shown by their thumbnail."""


@dataclass(frozen=True)
class Curve:
    """One trial: its setting and its validation metric per epoch."""

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
class Measured:
    """One evaluation, newest of its version."""

    version: int
    rows: int
    accuracy: float
    f1_macro: float
    accepted: bool | None
    reasons: list[str]
    classes: list[str]
    confusion: list[list[int]]


@dataclass(frozen=True)
class Batch:
    """One micro-batch of the stream."""

    batch_id: int
    version: int
    rows: int
    dead: int
    milliseconds: int
    started_at: datetime


@dataclass(frozen=True)
class Card:
    """One labelled image for the sheet; ``pixels`` is ``(H, W, C)`` or a PNG thumbnail."""

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
    """Labels of one version against the truth that is known."""

    version: int
    labels: int
    known: int
    right: int
    review: int


@dataclass(frozen=True)
class Run:
    """All that the page shows."""

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
    measured: list[Measured]
    batches: list[Batch]
    tallies: list[Tally]
    cards: list[Card]


def gather(spark: SparkSession, settings: Settings, collection: str, model: str) -> Run:
    """Reads one model's run over one collection.

    Args:
        spark: An open session.
        settings: Where Kudu is.
        collection: Collection whose labels are shown.
        model: Model whose sweep, evaluations and stream are shown.

    Raises:
        NoData: Neither the collection nor the model is in the catalogue.
    """
    views = _Views(spark, settings)
    here, name = catalogue.literal(collection), catalogue.literal(model)
    images = views.rows(f"select count(*) n from images where collection = {here}")[0]["n"]
    aliases = views.rows(f"select alias, version, moved_at from aliases where model = {name}")
    if not images and not aliases:
        raise NoData(
            f"nothing to show: no image of collection {collection!r} and no alias of model "
            f'{model!r} in the catalogue. `labelmill sql "select distinct collection from images"` '
            "lists what there is."
        )
    moved = {row["alias"]: row["moved_at"] for row in aliases}
    metric, goal, curves = _curves(views, name)
    return Run(
        collection=collection,
        model=model,
        metric=metric,
        goal=goal,
        images=images,
        annotated=views.rows(
            f"select count(distinct image_id) n from annotations where collection = {here}"
        )[0]["n"],
        quarantined=views.rows(f"select count(*) n from quarantine where collection = {here}")[0][
            "n"
        ],
        aliases={row["alias"]: row["version"] for row in aliases},
        production_moved_at=moved.get("production"),
        curves=curves,
        measured=_measured(views, name),
        batches=_batches(views, name),
        tallies=_tallies(views, here, name),
        cards=_cards(views, here, name),
    )


def best(curves: Sequence[Curve], goal: str) -> Curve | None:
    """The curve with the best final metric; the first of equals; None when none has one."""
    sign = -1.0 if goal == "minimize" else 1.0
    ended = [(sign * c.metric, -c.number, c) for c in curves if c.metric is not None]
    return max(ended, key=lambda e: e[:2])[2] if ended else None


def chosen(run: Run) -> Measured | None:
    """The evaluation that matters: of the sweep's best version, else of `production`, else any.

    Not the best on the held-out images: that would be choosing by what is to be measured.
    """
    winner = best(run.curves, run.goal)
    wanted = (winner.version if winner else None, run.aliases.get("production"))
    of_version = {m.version: m for m in run.measured}
    found = [of_version[v] for v in wanted if v in of_version]
    return next(iter(found or run.measured), None)


class _Views:
    """The catalogue's views, opened once for all queries of a page."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self._session, _ = catalogue.open_views(spark, settings)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return [row.asDict() for row in self._session.sql(sql).collect()]


def _curves(views: _Views, model: str) -> tuple[str, str, list[Curve]]:
    sweep = views.rows(
        f"select sweep_id, plan from sweeps where model = {model} order by created_at desc limit 1"
    )
    if not sweep:
        return "validation_accuracy", "maximize", []
    sweep_id = catalogue.literal(sweep[0]["sweep_id"])
    objective = json.loads(sweep[0]["plan"])["objective"]
    metric = objective["metric"]
    points: dict[str, list[tuple[int, float]]] = {}
    for row in views.rows(
        f"select trial_id, step, value from trial_metrics where sweep_id = {sweep_id} "
        f"and metric = {catalogue.literal(metric)} order by trial_id, step"
    ):
        points.setdefault(row["trial_id"], []).append((row["step"], row["value"]))
    curves = []
    for row in views.rows(f"select * from trials where sweep_id = {sweep_id} order by number"):
        line = points.get(row["trial_id"], [])
        curves.append(
            Curve(
                number=row["number"],
                version=row["version"],
                setting=json.loads(row["setting"]),
                state=row["state"],
                metric=row["metric"],
                seconds=row["seconds"],
                error=row["error"],
                steps=[step for step, _ in line],
                values=[value for _, value in line],
            )
        )
    return metric, objective["goal"], curves


def _measured(views: _Views, model: str) -> list[Measured]:
    newest = views.rows(
        "select * from (select *, row_number() over (partition by version order by evaluated_at desc)"
        f" nth from evaluations where model = {model}) where nth = 1 order by accuracy desc"
    )
    found = []
    for row in newest:
        confusion = json.loads(row["confusion"])
        found.append(
            Measured(
                version=row["version"],
                rows=row["rows"],
                accuracy=row["accuracy"],
                f1_macro=row["f1_macro"],
                accepted=row["accepted"],
                reasons=json.loads(row["reasons"]),
                classes=confusion["classes"],
                confusion=confusion["matrix"],
            )
        )
    return found


def _batches(views: _Views, model: str) -> list[Batch]:
    return [
        Batch(**row)
        for row in views.rows(
            "select batch_id, version, rows, coalesce(dead, 0) dead, milliseconds, started_at "
            f"from stream_batches where model = {model} and state = 'done' order by started_at"
        )
    ]


def _tallies(views: _Views, collection: str, model: str) -> list[Tally]:
    return [
        Tally(**row)
        for row in views.rows(
            "select l.version, count(*) labels, count(t.class) known, "
            "count_if(t.class = l.class) right, count_if(l.decision = 'review') review "
            "from labels l left join truth t on t.collection = l.collection "
            f"and t.image_id = l.image_id where l.collection = {collection} "
            f"and l.model = {model} group by l.version order by l.version"
        )
    ]


def _cards(views: _Views, collection: str, model: str) -> list[Card]:
    """Mistakes first, then the least sure: that is what a person wants to see."""
    rows = views.rows(
        "select l.image_id, l.version, l.class label, l.probability, l.decision, t.class truth, "
        "i.pixels, i.height, i.width, i.channels, i.dtype, i.thumbnail from labels l "
        "join images i on i.collection = l.collection and i.image_id = l.image_id "
        "left join truth t on t.collection = l.collection and t.image_id = l.image_id "
        f"where l.collection = {collection} and l.model = {model} "
        "order by (t.class is not null and t.class <> l.class) desc, l.probability, l.image_id, "
        f"l.version limit {SHEET_IMAGES}"
    )
    cards = []
    for row in rows:
        small = row["pixels"] is not None and max(row["height"], row["width"]) <= CARD_SIDE
        shape = (row["height"], row["width"], row["channels"])
        cards.append(
            Card(
                image_id=row["image_id"],
                version=row["version"],
                label=row["label"],
                probability=row["probability"],
                decision=row["decision"],
                truth=row["truth"],
                pixels=from_bytes(row["pixels"], shape, row["dtype"]) if small else None,
                thumbnail=row["thumbnail"],
            )
        )
    return cards
