"""Reads what a run page shows from the catalogue, by SQL over its views."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from typing import Any

from pyspark.sql import SparkSession

from labelmill.domain.images.image import from_bytes
from labelmill.domain.models.metrics import Evaluation
from labelmill.errors import NoData
from labelmill.serving.run_data import (
    Card,
    Curve,
    MeasuredVersion,
    MicroBatchRow,
    Run,
    Tally,
    headline_evaluation,
)
from labelmill.settings import Settings
from labelmill.spark.row_times import utc_reader
from labelmill.sql import catalogue
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.records import texts

SHEET_IMAGES = 60
"""Most images on the sheet, about two screens; a query shows more."""

MARKS = 240
"""Most marks of the time line; more micro-batches are added up in bins of time."""

CARD_SIDE = 192
"""Side of the largest image that is shown itself, in pixels; larger ones show their thumbnail."""


def read_run(spark: SparkSession, settings: Settings, collection: str, model: str) -> Run:
    """Reads the run of one model over one collection.

    Args:
        spark: An open session.
        settings: Where Kudu is.
        collection: Collection whose labels are shown.
        model: Model whose sweep, evaluations and stream are shown.

    Raises:
        NoData: Neither the collection nor the model is in the catalogue.
    """
    with closing(open_client(settings)) as client:
        return _read_run(_Views(spark, settings, client), collection, model)


def _read_run(views: _Views, collection: str, model: str) -> Run:
    here, name = catalogue.literal(collection), catalogue.literal(model)
    (counted,) = views.rows(
        f"select (select count(*) from images where collection = {here}) images, "
        f"(select count(distinct image_id) from annotations where collection = {here}) annotated, "
        f"(select count(*) from quarantine where collection = {here}) quarantined"
    )
    aliases = views.rows(f"select alias, version, moved_at from aliases where model = {name}")
    if not counted["images"] and not aliases:
        raise NoData(
            f"nothing to show: the catalogue has no image of collection {collection!r} and no alias of "
            f'model {model!r}. `labelmill sql "select distinct collection from images"` lists the '
            "collections."
        )
    moved = {row["alias"]: row["moved_at"] for row in aliases}
    metric, goal, curves = _read_curves(views, name)
    run = Run(
        collection=collection,
        model=model,
        metric=metric,
        goal=goal,
        **counted,
        aliases={row["alias"]: row["version"] for row in aliases},
        production_moved_at=moved.get("production"),
        curves=curves,
        measured=_read_measured(views, name),
        batches=_read_batches(views, name),
        tallies=_read_tallies(views, here, name),
        cards=_read_cards(views, here, name),
    )
    return _with_headline(views, run)


def _with_headline(views: _Views, run: Run) -> Run:
    """The run with the confusion matrix of the evaluation that the page shows; one may be large."""
    shown = headline_evaluation(run)
    if shown is None:
        return run
    (row,) = views.rows(
        f"select confusion from evaluations where model = {catalogue.literal(run.model)} and "
        f"version = {shown.version} and slice_digest = {catalogue.literal(shown.slice_digest)}"
    )
    measures = Evaluation.from_dict(json.loads(row["confusion"]))
    whole = replace(shown, measures=measures)
    return replace(run, measured=[whole if one is shown else one for one in run.measured])


_READ = (
    "images", "annotations", "quarantine", "aliases", "sweeps", "trials", "trial_metrics", "evaluations",
    "stream_batches", "labels", "truth",
)  # fmt: skip
"""Views that a page is made from."""


class _Views:
    """The catalogue's views, opened once for all queries of a page; long texts are whole."""

    def __init__(self, spark: SparkSession, settings: Settings, client: RowClient) -> None:
        self._session, _ = catalogue.open_views(spark, settings, only=_READ)
        self._client = client

    def rows(self, sql: str) -> list[dict[str, Any]]:
        answer = self._session.sql(sql)
        found = (row.asDict() for row in map(utc_reader(answer.schema), answer.collect()))
        return list(texts.resolve(self._client, found))


def _read_curves(views: _Views, model: str) -> tuple[str, str, list[Curve]]:
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


def _read_measured(views: _Views, model: str) -> list[MeasuredVersion]:
    newest = views.rows(
        "select version, rows, accuracy, f1_macro, accepted, reasons, slice_digest from (select *, "
        "row_number() over (partition by version order by evaluated_at desc, slice_digest) nth "
        f"from evaluations where model = {model}) where nth = 1 order by accuracy desc, version"
    )
    return [MeasuredVersion(**{**row, "reasons": json.loads(row["reasons"])}) for row in newest]


def _read_batches(views: _Views, model: str) -> list[MicroBatchRow]:
    done = f"from stream_batches where model = {model} and state = 'done'"
    (span,) = views.rows(
        "select count(*) batches, coalesce(min(unix_micros(started_at)), 0) first, "
        f"coalesce(max(unix_micros(started_at)), 0) last {done}"
    )
    if span["batches"] <= MARKS:
        sql = f"select version, rows, milliseconds, started_at {done} order by started_at, batch_id"
    else:
        # A mark a micro-batch would be megabytes of plot after a day.
        width = (span["last"] - span["first"]) // MARKS + 1
        place = f"(unix_micros(started_at) - {span['first']}) div {width}"
        sql = (
            f"select version, sum(rows) rows, {width // 1000} milliseconds, count(*) batches, "
            f"timestamp_micros({span['first']} + {place} * {width}) started_at {done} "
            f"group by version, {place} order by started_at, version"
        )
    return [MicroBatchRow(**row) for row in views.rows(sql)]


def _read_tallies(views: _Views, collection: str, model: str) -> list[Tally]:
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


def _read_cards(views: _Views, collection: str, model: str) -> list[Card]:
    """Wrong labels first, then by increasing probability."""
    labels = views.rows(
        "select l.image_id, l.version, l.class label, l.probability, l.decision, t.class truth "
        "from labels l left semi join images i "
        "on i.collection = l.collection and i.image_id = l.image_id "
        "left join truth t on t.collection = l.collection and t.image_id = l.image_id "
        f"where l.collection = {collection} and l.model = {model} "
        "order by (t.class is not null and t.class <> l.class) desc, l.probability, l.image_id, "
        f"l.version limit {SHEET_IMAGES}"
    )
    if not labels:
        return []
    # Pixels of these images only: Kudu looks up their keys.
    ids = ", ".join(sorted({catalogue.literal(row["image_id"]) for row in labels}))
    images = {
        row["image_id"]: row
        for row in views.rows(
            f"select image_id, if(greatest(height, width) <= {CARD_SIDE}, pixels, null) pixels, "
            "height, width, channels, dtype, thumbnail from images "
            f"where collection = {collection} and image_id in ({ids})"
        )
    }
    cards = []
    for row in ({**images[label["image_id"]], **label} for label in labels):
        small = row["pixels"] is not None
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
