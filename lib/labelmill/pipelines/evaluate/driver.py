"""Measures model versions on a slice, judges them, and promotes one on request.

Of the accepted versions, the one with the best metric of its sweep (validation) is promoted, not
the best on the slice measured here: choosing on the test slice would make its figures too good
(decision 0033). To be accepted for promotion, a version is also compared with the one that serves,
on the same images in the same pass (decision 0094).
"""

from __future__ import annotations

from contextlib import ExitStack

from pyspark.sql import SparkSession

from labelmill.domain.models.promotion import ANY, NO_WORSE, check_rule
from labelmill.errors import ArtifactError, InputError, MissingRow
from labelmill.pipelines.evaluate import stored
from labelmill.pipelines.evaluate.candidates import select_candidates
from labelmill.pipelines.evaluate.measure import LoadedModel, load_checked, measure
from labelmill.pipelines.evaluate.report import (
    fill_report,
    report_moved,
    report_promotion,
    report_rejection,
)
from labelmill.pipelines.evaluate.slice_rows import Slice, slice_rows
from labelmill.pipelines.evaluate.verdicts import AcceptanceRule, Judged, judge
from labelmill.settings import Settings
from labelmill.spark.progress import SparkProgress
from labelmill.spark.report import Report
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.records import aliases

DEFAULT_ALIAS = "production"
"""Alias that a promotion moves."""


def evaluate(
    spark: SparkSession,
    settings: Settings,
    model: str,
    on: Slice,
    versions: str = "all",
    max_error: float | None = None,
    promote: bool = False,
    alias: str | None = None,
    promote_if: str | None = None,
) -> Report:
    """Measures versions, judges them and writes ``evaluations``.

    A version that was measured on this slice before is judged anew, not measured again.

    Args:
        spark: The session.
        settings: Where Kudu is.
        model: Model name.
        on: The slice; needs the columns `IMAGE_COLUMNS` and ``class``.
        versions: ``all``, ``best:N`` (by their sweeps' metric) or ``1,2``.
        max_error: Acceptable error (1 − accuracy), 0..1; None: measured, not judged.
        promote: Move `alias` to the accepted version with the best validation metric.
        alias: Alias that is moved; None: ``production``.
        promote_if: One of `PROMOTE_IF`: how a version must compare with the one that `alias` points
            to, on the same images; None: ``no-worse``.

    Returns:
        The report: ``rows``, table ``evaluations``, ``compared_with``, ``promoted`` (when the alias
        was moved); failed with the exit code of `NotAccepted` when `max_error` is stated and no
        version is accepted.

    Raises:
        InputError: Promotion without an acceptable error, or a rule or alias without promotion;
            both kinds of slice, or neither; a snapshot or split that would be ignored.
        UnknownName: An unknown rule.
        QueryRefused: The query does more than read, or its answer would not repeat.
        NoData: The slice has no rows.
        MissingRow: No such model or version.
        ArtifactError: A stored model is not what was published.
    """
    return measure_versions(
        spark, settings, model, on, versions, max_error, promote, alias, promote_if
    )[0]


def measure_versions(
    spark: SparkSession,
    settings: Settings,
    model: str,
    on: Slice,
    versions: str = "all",
    max_error: float | None = None,
    promote: bool = False,
    alias: str | None = None,
    promote_if: str | None = None,
) -> tuple[Report, list[Judged]]:
    """Like `evaluate`, and also returns each version's measures and verdict, in order of number."""
    _check_slice(on)
    _check_promotion(max_error, promote, alias, promote_if)
    moved = alias or DEFAULT_ALIAS
    report = Report("evaluate_models")
    client = open_client(settings)
    try:
        chosen = select_candidates(client, model, versions)
        rule = AcceptanceRule(max_error, promote_if or NO_WORSE)
        found = serving = None
        if promote:
            found = aliases.current(client, model, moved)
            serving = _load_serving(client, model, found, moved, rule.promote_if, report)
            number = serving[0] if serving else None
            rule = AcceptanceRule(max_error, rule.promote_if, moved, number)
        judged: dict[int, Judged] = {}
        with SparkProgress(spark, f"evaluate {model}"), ExitStack() as stack:
            rows, digest, text = slice_rows(spark, settings, on, stack)
            candidates = {c.version: c for c in chosen}
            trained = stored.read_trained_classes(client, model)
            measured = stored.read_evaluations(client, model, digest, list(candidates))
            compared = {}
            if rule.serving is not None:
                compared = stored.read_comparisons(client, model, digest, rule.serving)
            old = {
                v
                for v in candidates
                if v in measured and (v in compared or rule.serving in (None, v))
            }
            todo = [v for v in candidates if v not in old]
            report.put("measured", len(todo))
            for part in measure(client, model, rows, todo, serving):
                for version, (evaluation, comparison) in part.items():
                    measured[version] = evaluation
                    if comparison is not None:
                        compared[version] = comparison
                        stored.write_comparison(client, model, digest, version, comparison)
                    judged[version] = judge(
                        candidates[version], evaluation, comparison, rule, trained.get(version)
                    )
                    stored.write_evaluation(client, model, digest, text, max_error, judged[version])
        for version in sorted(old):
            judged[version] = judge(
                candidates[version],
                measured[version],
                compared.get(version),
                rule,
                trained.get(version),
            )
            stored.write_evaluation(client, model, digest, text, max_error, judged[version])
        ordered = [judged[c.version] for c in chosen]
        fill_report(report, model, text, ordered, compared, rule)
        if max_error is not None:
            _apply_verdicts(report, client, model, ordered, rule, found)
        return report, ordered
    finally:
        client.close()


def _check_promotion(
    max_error: float | None, promote: bool, alias: str | None, promote_if: str | None
) -> None:
    if promote and max_error is None:
        raise InputError(
            "to promote, state the acceptable error first: max_error=0.05, or --max-error 0.05"
        )
    check_rule(max_error, promote_if or NO_WORSE)
    if promote_if is not None and not promote:
        raise InputError(
            f"promote_if={promote_if!r} decides on a promotion, but none is requested: add "
            "promote=True, or --promote"
        )
    if alias is not None and not promote:
        raise InputError(
            f"alias {alias!r} would be moved by a promotion, but none is requested: add promote=True, "
            "or --promote"
        )


def _check_slice(on: Slice) -> None:
    if (on.sql is None) == (on.training_set is None):
        raise InputError(
            "give what to measure on: either a query (sql=, --sql) or a training set "
            "(training_set=, --training-set)"
        )
    if on.training_set is not None and on.snapshot_ms is not None:
        raise InputError(
            "a training set was frozen at its own snapshot; leave out snapshot (--snapshot), or give "
            "a query (sql=, --sql)"
        )
    if on.sql is not None and on.split is not None:
        raise InputError(
            f"split {on.split!r} is one of a training set; a query selects its own rows, for example "
            f"`where split = {on.split!r}`"
        )


def _load_serving(
    client: RowClient, model: str, version: int | None, alias: str, promote_if: str, report: Report
) -> tuple[int, LoadedModel] | None:
    """The version that serves; None: there is none, or it is broken and the rule does not need it."""
    if version is None:
        return None
    try:
        return version, load_checked(client, model, version)
    except (ArtifactError, MissingRow) as error:
        if promote_if != ANY:
            text = (
                f"{error} Alias {alias!r} points to it, so versions cannot be compared with what "
                f"serves. To promote without a comparison: promote_if={ANY!r}, or --promote-if {ANY}"
            )
            error.args = (text,)
            raise
        report.note(f"nothing is compared with version {version}, which serves: {error}")
        return None


def _apply_verdicts(
    report: Report,
    client: RowClient,
    model: str,
    judged: list[Judged],
    rule: AcceptanceRule,
    pointed: int | None,
) -> None:
    """Promotes, unless the alias no longer points to `pointed`, with which versions were compared."""
    accepted = [candidate for candidate, _, decided in judged if decided.accepted]
    report.put("accepted_versions", [c.version for c in accepted])
    if not accepted:
        report_rejection(report, model, rule)
    elif rule.alias is not None:
        best = min(accepted, key=lambda c: c.rank)
        if best.version != rule.serving:
            # Measured in an earlier run, perhaps: a stream would refuse one that cannot be served.
            load_checked(client, model, best.version)
            now = aliases.current(client, model, rule.alias)
            if now != pointed:
                report_moved(report, rule.alias, pointed, now)
                return
            aliases.move(client, model, rule.alias, best.version)
        report_promotion(report, best, rule)
