"""Model versions measured on a slice; a verdict; the alias moved when asked and earned.

Which version is promoted: of the accepted ones, the one with the best metric of its sweep
(validation), not the best on the slice measured here; choosing on the test slice would make its
figures too good (decision 0033).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.domain.models.artifact import unpack
from labelmill.domain.models.metrics import Evaluation
from labelmill.domain.models.metrics import evaluate as measure
from labelmill.domain.models.promotion import Verdict, verdict
from labelmill.errors import InputError, NoData, NotAccepted
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.evaluate.candidates import Candidate, select_candidates
from labelmill.pipelines.evaluate.report import _reported, evaluation_row
from labelmill.pipelines.evaluate.worker import CONFUSION_SCHEMA, confuse_batches
from labelmill.pipelines.predict.worker import IMAGE_COLUMNS
from labelmill.settings import Settings
from labelmill.spark.arrow import struct_type
from labelmill.spark.progress import SparkProgress
from labelmill.spark.report import Report
from labelmill.spark.shared_files import shared_shards
from labelmill.sql import catalogue
from labelmill.sql.image_columns import cast_image_columns
from labelmill.sql.pixels import with_pixels
from labelmill.sql.snapshot import resolve_snapshot
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.records import aliases, models
from labelmill.store.schema.tables import EVALUATIONS
from labelmill.training_sets.registry import find, measured_on

Judged = tuple[Candidate, Evaluation, Verdict]
"""A version, what was measured of it, and the verdict."""

VERSIONS_AT_ONCE = 8
"""Versions measured in one pass over the slice; each is loaded in every task."""


@dataclass(frozen=True)
class Slice:
    """What versions are measured on: a query at a snapshot, or a split of a training set."""

    sql: str | None = None
    snapshot_ms: int | None = None
    training_set: str | None = None
    split: str = "test"


def evaluate(
    spark: SparkSession,
    settings: Settings,
    model: str,
    on: Slice,
    versions: str = "all",
    max_error: float | None = None,
    promote: bool = False,
    alias: str = "production",
) -> Report:
    """Measures versions, judges them, writes ``evaluations``.

    Args:
        spark: The session.
        settings: Where Kudu is.
        model: Model name.
        on: The slice; needs the columns `IMAGE_COLUMNS` and ``class``.
        versions: ``all``, ``best:N`` (by their sweeps' metric) or ``1,2``.
        max_error: Acceptable error (1 − accuracy), stated first; None: measured, not judged.
        promote: Move `alias` to the accepted version with the best validation metric.
        alias: Alias that is moved.

    Returns:
        The report: ``rows``, table ``evaluations``, ``promoted``; failed with the exit code of
        `NotAccepted` when `max_error` is stated and no version holds it.

    Raises:
        InputError: Promotion without a stated error; both or neither kinds of slice.
        QueryRefused: The query does more than read, or would not answer the same again.
        NoData: The slice has no rows.
        MissingRow: No such model or version.
        ArtifactError: A stored model is not what was published.
    """
    return measure_versions(spark, settings, model, on, versions, max_error, promote, alias)[0]


def measure_versions(
    spark: SparkSession,
    settings: Settings,
    model: str,
    on: Slice,
    versions: str = "all",
    max_error: float | None = None,
    promote: bool = False,
    alias: str = "production",
) -> tuple[Report, list[Judged]]:
    """The report of `evaluate` with the full measures and verdict of each version, in order of number.

    Arguments and errors as of `evaluate`.
    """
    if promote and max_error is None:
        raise InputError(
            "to promote, state the acceptable error first: max_error=0.05, or --max-error 0.05"
        )
    if (on.sql is None) == (on.training_set is None):
        raise InputError(
            "give what to measure on: either a query (sql=, --sql) or a training set "
            "(training_set=, --training-set)"
        )
    report = Report("evaluate_models")
    client = open_client(settings)
    try:
        chosen = select_candidates(client, model, versions)
        data = {c.version: models.load(client, model, c.version)[1] for c in chosen}
        classes = {}
        for version, artifact in data.items():
            predictor = Predictor(unpack(artifact))
            predictor.check_canary()
            classes[version] = predictor.classes
        with SparkProgress(spark, f"evaluate {model}"), ExitStack() as stack:
            rows, digest, text = _slice_rows(spark, settings, on, stack)
            counted: dict[int, Counter[tuple[str, str | None]]] = {}
            for start in range(0, len(chosen), VERSIONS_AT_ONCE):
                part = [c.version for c in chosen[start : start + VERSIONS_AT_ONCE]]
                counted |= _count_confusion(rows, {v: data[v] for v in part})
        judged = [_judge(c, counted[c.version], classes[c.version], max_error) for c in chosen]
        client.ensure(EVALUATIONS)
        client.write(
            EVALUATIONS, [evaluation_row(model, digest, text, max_error, *j) for j in judged]
        )
        _reported(report, model, text, judged)
        if max_error is not None:
            accepted = [c for c, _, given in judged if given.accepted]
            _act(report, client, model, accepted, max_error, alias if promote else None)
        return report, judged
    finally:
        client.close()


def _slice_rows(
    spark: SparkSession, settings: Settings, on: Slice, stack: ExitStack
) -> tuple[DataFrame, str, str]:
    """The slice as a DataFrame for `confuse_batches`, its digest and its text."""
    if on.training_set is not None:
        frozen = find(settings, on.training_set)
        shards = [s for s in frozen.manifest.shards if s.split == on.split]
        if not shards:
            raise NoData(f"training set {frozen.digest[:12]} has no rows in split {on.split!r}")
        paths = [
            p for p, s in zip(frozen.files(), frozen.manifest.shards, strict=True) if s in shards
        ]
        names = shared_shards(spark.sparkContext, paths, frozen.digest)
        table = spark.createDataFrame([(name,) for name in names], "shard string")
        text = measured_on(frozen.digest, on.split)
        return table.repartition(len(names)), hashlib.sha256(text.encode()).hexdigest(), text
    assert on.sql is not None
    at = resolve_snapshot(on.snapshot_ms, wait=True)
    found = cast_image_columns(
        catalogue.query(spark, settings, on.sql, at, repeatable=True), (*IMAGE_COLUMNS, "class")
    )
    rows = with_pixels(found, settings, at).select(*IMAGE_COLUMNS, "class").persist()
    stack.callback(rows.unpersist)
    return rows, _slice_digest(on.sql, rows), f"{on.sql} -- snapshot {at}"


def _slice_digest(sql: str, rows: DataFrame) -> str:
    """SHA-256 (hex) of a query and what it answered, whatever the order and the moment.

    Which images, and which class each has; the bytes of an image are its id. The rows' hashes are
    added up in eight lanes of 32 bits, so a row twice is not the row once.
    """
    hashed = rows.select(
        F.sha2(F.to_json(F.struct("collection", "image_id", "class")), 256).alias("hash")
    )
    lanes = [
        F.sum(F.conv(F.substring("hash", 8 * lane + 1, 8), 16, 10).cast("long"))
        for lane in range(8)
    ]
    found = hashed.agg(F.count("*"), *lanes).collect()[0]
    return hashlib.sha256(json.dumps([sql, *found]).encode()).hexdigest()


def _count_confusion(
    rows: DataFrame, artifacts: dict[int, bytes]
) -> dict[int, Counter[tuple[str, str | None]]]:
    shared = rows.sparkSession.sparkContext.broadcast(artifacts)
    counting = partial(confuse_batches, artifacts=shared)
    try:
        found = rows.mapInArrow(counting, struct_type(CONFUSION_SCHEMA)).collect()
    finally:
        shared.destroy()
    counted: dict[int, Counter[tuple[str, str | None]]] = {v: Counter() for v in artifacts}
    for row in found:
        if row["truth"] is None:
            raise InputError(
                "the slice holds rows without class; join the view truth, or add "
                "`where class is not null`"
            )
        counted[row["version"]][row["truth"], row["predicted"]] += row["rows"]
    return counted


def _judge(
    candidate: Candidate,
    counts: Counter[tuple[str, str | None]],
    classes: Sequence[str],
    max_error: float | None,
) -> Judged:
    if not counts:
        raise NoData("the slice has no rows")
    truth: list[str] = []
    predicted: list[str] = []
    failed = 0
    for (true, given), rows in counts.items():
        if given is None:
            failed += rows
        else:
            truth += [true] * rows
            predicted += [given] * rows
    found = measure(truth, predicted, classes)
    decided = verdict(found, max_error)
    if failed:
        reason = f"{failed:,} images could not be prepared for this version, so it is not accepted"
        decided = Verdict(False, (*decided.reasons, reason))
    return candidate, found, decided


def _act(
    report: Report,
    client: RowClient,
    model: str,
    accepted: list[Candidate],
    max_error: float,
    alias: str | None,
) -> None:
    report.put("accepted_versions", [c.version for c in accepted])
    if not accepted:
        report.fail(
            f"no version of {model!r} holds the acceptable error {max_error:g}"
            + (f"; alias {alias!r} stays where it is" if alias else ""),
            NotAccepted.exit_code,
        )
    elif alias is not None:
        best = min(accepted, key=lambda c: c.rank)
        aliases.move(client, model, alias, best.version)
        report.put("promoted", {"alias": alias, "version": best.version})
        report.note(
            f"{alias} → version {best.version}: of the accepted versions the best by "
            + (
                "its sweep's metric"
                if best.metric is not None
                else "number; no sweep metric is known"
            )
        )
