"""Measures model versions on a slice, judges them, and promotes one on request.

Of the accepted versions, the one with the best metric of its sweep (validation) is promoted, not
the best on the slice measured here: choosing on the test slice would make its figures too good
(decision 0033).
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from functools import partial

from pyspark.sql import DataFrame, SparkSession

from labelmill.domain.models.artifact import unpack
from labelmill.errors import InputError, NotAccepted
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.evaluate.candidates import Candidate, select_candidates
from labelmill.pipelines.evaluate.report import evaluation_row, fill_report
from labelmill.pipelines.evaluate.slice_rows import Slice, slice_rows
from labelmill.pipelines.evaluate.verdicts import Judged, judge
from labelmill.pipelines.evaluate.worker import CONFUSION_SCHEMA, confuse_batches
from labelmill.settings import Settings
from labelmill.spark.arrow import struct_type
from labelmill.spark.progress import SparkProgress
from labelmill.spark.report import Report
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.records import aliases, models
from labelmill.store.schema.tables import EVALUATIONS

VERSIONS_AT_ONCE = 8
"""Most versions measured in one pass over the slice; each is loaded in every task."""


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
    """Measures versions, judges them and writes ``evaluations``.

    Args:
        spark: The session.
        settings: Where Kudu is.
        model: Model name.
        on: The slice; needs the columns `IMAGE_COLUMNS` and ``class``.
        versions: ``all``, ``best:N`` (by their sweeps' metric) or ``1,2``.
        max_error: Acceptable error (1 − accuracy), 0..1; None: measured, not judged.
        promote: Move `alias` to the accepted version with the best validation metric.
        alias: Alias that is moved.

    Returns:
        The report: ``rows``, table ``evaluations``, ``promoted``; failed with the exit code of
        `NotAccepted` when `max_error` is stated and no version meets it.

    Raises:
        InputError: Promotion without an acceptable error; both kinds of slice, or neither.
        QueryRefused: The query does more than read, or its answer would not repeat.
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
    """Like `evaluate`, and also returns each version's measures and verdict, in order of number."""
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
            rows, digest, text = slice_rows(spark, settings, on, stack)
            counted: dict[int, Counter[tuple[str, str | None]]] = {}
            for start in range(0, len(chosen), VERSIONS_AT_ONCE):
                part = [c.version for c in chosen[start : start + VERSIONS_AT_ONCE]]
                counted |= _count_confusion(rows, {v: data[v] for v in part})
        judged = [judge(c, counted[c.version], classes[c.version], max_error) for c in chosen]
        client.ensure(EVALUATIONS)
        client.write(
            EVALUATIONS, [evaluation_row(model, digest, text, max_error, *j) for j in judged]
        )
        fill_report(report, model, text, judged)
        if max_error is not None:
            accepted = [c for c, _, given in judged if given.accepted]
            _apply_verdicts(report, client, model, accepted, max_error, alias if promote else None)
        return report, judged
    finally:
        client.close()


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


def _apply_verdicts(
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
            f"no version of {model!r} meets the acceptable error {max_error:g}"
            + (f"; alias {alias!r} stays where it is" if alias else ""),
            NotAccepted.exit_code,
        )
    elif alias is not None:
        best = min(accepted, key=lambda c: c.rank)
        aliases.move(client, model, alias, best.version)
        report.put("promoted", {"alias": alias, "version": best.version})
        report.note(
            f"{alias} → version {best.version}, the accepted version "
            + (
                "that ranks first by its sweep's metric"
                if best.metric is not None
                else "with the highest number (none has a sweep's metric)"
            )
        )
