"""Model versions measured on a slice; a verdict; the alias moved when asked and earned.

Which version is promoted: of the accepted ones, the one with the best metric of its sweep
(validation), not the best on the slice measured here; choosing on the test slice would make its
figures too good (decision 0033).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial

import pyarrow as pa
from pyspark import Broadcast, SparkFiles
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.domain.artifact import unpack
from labelmill.domain.evaluation import Evaluation
from labelmill.domain.evaluation import evaluate as measure
from labelmill.domain.promotion import Verdict, verdict
from labelmill.errors import InputError, NoData, NotAccepted
from labelmill.feed.frozen import open_files
from labelmill.inference.predictor import Predictor
from labelmill.pipelines import catalogue
from labelmill.pipelines.predict import IMAGE_COLUMNS, labelled_rows
from labelmill.pipelines.progress import SparkProgress
from labelmill.pipelines.report import Report
from labelmill.pipelines.slice_columns import typed
from labelmill.pipelines.snapshot import settled
from labelmill.pipelines.sweep_share import shared_shards
from labelmill.pipelines.training_sets import find, measured_on
from labelmill.pipelines.versions import Candidate, candidates
from labelmill.settings import Settings
from labelmill.store import aliases, models
from labelmill.store.client import RowClient, open_client
from labelmill.store.tables import EVALUATIONS

AT_ONCE = 8
"""Versions measured in one pass over the slice; each is loaded in every task."""

COUNTED_SQL = "version int, truth string, predicted string, rows long"
COUNTED = pa.schema(
    [
        ("version", pa.int32()),
        ("truth", pa.string()),
        ("predicted", pa.string()),
        ("rows", pa.int64()),
    ]
)
"""Confusion of one task; ``predicted`` is null where the image could not be prepared."""


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
    if promote and max_error is None:
        raise InputError("--promote needs --max-error: state the acceptable error first")
    if (on.sql is None) == (on.training_set is None):
        raise InputError("give either --sql or --training-set")
    report = Report("evaluate_models")
    client = open_client(settings)
    try:
        chosen = candidates(client, model, versions)
        data = {c.version: models.load(client, model, c.version)[1] for c in chosen}
        classes = {}
        for version, artifact in data.items():
            predictor = Predictor(unpack(artifact))
            predictor.check_canary()
            classes[version] = predictor.classes
        with SparkProgress(spark, f"evaluate {model}"), ExitStack() as stack:
            rows, digest, text = _rows(spark, settings, on, stack)
            counted: dict[int, Counter[tuple[str, str | None]]] = {}
            for start in range(0, len(chosen), AT_ONCE):
                part = [c.version for c in chosen[start : start + AT_ONCE]]
                counted |= _counted(rows, {v: data[v] for v in part})
        judged = [_judged(c, counted[c.version], classes[c.version], max_error) for c in chosen]
        client.ensure(EVALUATIONS)
        client.write(EVALUATIONS, [_row(model, digest, text, max_error, *j) for j in judged])
        _reported(report, model, text, judged)
        if max_error is not None:
            accepted = [c for c, _, given in judged if given.accepted]
            _act(report, client, model, accepted, max_error, alias if promote else None)
        return report
    finally:
        client.close()


def confuse_batches(
    batches: Iterator[pa.RecordBatch], artifacts: Broadcast[dict[int, bytes]]
) -> Iterator[pa.RecordBatch]:
    """Runs on executors: images with their truth to counts.

    Args:
        batches: Columns `IMAGE_COLUMNS` and ``class``, or only ``shard``: names or paths of a
            training set's files.
        artifacts: Version → artifact bytes.

    Yields:
        One batch of `COUNTED`.
    """
    predictors = {v: Predictor(unpack(data)) for v, data in artifacts.value.items()}
    counts: Counter[tuple[int, str, str | None]] = Counter()
    for batch in _opened(batches):
        truth = batch.column("class").to_pylist()
        for version, predictor in predictors.items():
            for row in labelled_rows(batch, predictor, 0.0):
                counts[version, truth[row["row"]], row.get("class")] += 1
    rows = [dict(zip(COUNTED.names, (*key, n), strict=True)) for key, n in counts.items()]
    yield pa.RecordBatch.from_pylist(rows, schema=COUNTED)


def _opened(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if batch.schema.names != ["shard"]:
            yield batch
            continue
        for shard in batch.column("shard").to_pylist():
            path = shard if "/" in shard else SparkFiles.get(shard)
            for table in open_files([path]).tables:
                yield from table.to_batches(max_chunksize=1024)


def _rows(
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
    at = settled(on.snapshot_ms)
    found = typed(
        catalogue.query(spark, settings, on.sql, at, repeatable=True), (*IMAGE_COLUMNS, "class")
    )
    rows = catalogue.with_pixels(found, settings, at).select(*IMAGE_COLUMNS, "class").persist()
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


def _counted(
    rows: DataFrame, artifacts: dict[int, bytes]
) -> dict[int, Counter[tuple[str, str | None]]]:
    shared = rows.sparkSession.sparkContext.broadcast(artifacts)
    counting = partial(confuse_batches, artifacts=shared)
    try:
        found = rows.mapInArrow(counting, COUNTED_SQL).collect()
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


def _judged(
    candidate: Candidate,
    counts: Counter[tuple[str, str | None]],
    classes: Sequence[str],
    max_error: float | None,
) -> tuple[Candidate, Evaluation, Verdict]:
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


def _row(
    model: str,
    digest: str,
    text: str,
    max_error: float | None,
    candidate: Candidate,
    found: Evaluation,
    decided: Verdict,
) -> dict[str, object]:
    return {
        "model": model,
        "version": candidate.version,
        "slice_digest": digest,
        "slice": text,
        "rows": found.rows,
        "accuracy": found.accuracy,
        "precision_macro": found.precision_macro,
        "recall_macro": found.recall_macro,
        "f1_macro": found.f1_macro,
        "per_class": json.dumps([score.to_dict() for score in found.per_class]),
        "confusion": json.dumps(
            {"classes": list(found.classes), "matrix": found.confusion.tolist()}
        ),
        "max_error": max_error,
        "accepted": decided.accepted,
        "reasons": json.dumps(list(decided.reasons)),
        "evaluated_at": datetime.now(timezone.utc),
    }


def _reported(
    report: Report, model: str, text: str, judged: list[tuple[Candidate, Evaluation, Verdict]]
) -> None:
    report.put("model", model)
    report.put("slice", text)
    report.put("rows", max(found.rows for _, found, _ in judged))
    report.table(
        "evaluations",
        [
            {
                "version": c.version,
                "validation_metric": c.metric,
                "accuracy": found.accuracy,
                "precision_macro": found.precision_macro,
                "recall_macro": found.recall_macro,
                "f1_macro": found.f1_macro,
                "accepted": decided.accepted,
            }
            for c, found, decided in judged
        ],
    )
    for c, _, decided in judged:
        report.note(f"version {c.version}: {'; '.join(decided.reasons)}")


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
