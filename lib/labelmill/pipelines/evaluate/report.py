"""The closing report of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping

from labelmill.domain.models.comparison import Comparison
from labelmill.errors import NotAccepted
from labelmill.pipelines.evaluate.candidates import Candidate
from labelmill.pipelines.evaluate.verdicts import AcceptanceRule, Judged
from labelmill.spark.report import Report

NOTED = 20
"""Most versions whose reasons are notes; the table ``evaluations`` lists all."""


def fill_report(
    report: Report,
    model: str,
    text: str,
    judged: list[Judged],
    compared: Mapping[int, Comparison],
    rule: AcceptanceRule,
) -> None:
    """Adds what was measured to the closing report."""
    report.put("model", model)
    report.put("slice", text)
    report.put("rows", max(found.rows for _, found, _ in judged))
    if rule.serving is not None:
        report.put("compared_with", {"alias": rule.alias, "version": rule.serving})
        report.put("promote_if", rule.promote_if)
    rows: list[dict[str, object]] = []
    for c, found, decided in judged:
        row: dict[str, object] = {
            "version": c.version,
            "validation_metric": c.metric,
            "accuracy": found.accuracy,
            "precision_macro": found.precision_macro,
            "recall_macro": found.recall_macro,
            "f1_macro": found.f1_macro,
            "accepted": decided.accepted,
        }
        if rule.serving is not None:
            with_serving = compared.get(c.version)
            row["fewer_wrong_than_serving"] = with_serving.difference if with_serving else None
            row["p_value"] = with_serving.p_value if with_serving else None
        rows.append(row)
    report.table("evaluations", rows)
    # The best by validation first: their reasons are what people look for.
    noted = sorted(judged, key=lambda one: one[0].rank)[:NOTED]
    for c, _, decided in sorted(noted, key=lambda one: one[0].version):
        report.note(f"version {c.version}: {'; '.join(decided.reasons)}")
    if len(judged) > NOTED:
        report.note(
            f"reasons of the other {len(judged) - NOTED:,} versions are in `evaluations.reasons`"
        )


def report_rejection(report: Report, model: str, rule: AcceptanceRule) -> None:
    """Marks the report as failed: no version is accepted."""
    beside = "" if rule.serving is None else f" and the rule {rule.promote_if!r}"
    report.fail(
        f"no version of {model!r} meets the acceptable error {rule.max_error:g}{beside}"
        + (f"; alias {rule.alias!r} stays where it is" if rule.alias else ""),
        NotAccepted.exit_code,
    )


def report_moved(report: Report, alias: str, before: int | None, now: int | None) -> None:
    """Marks the report as failed: somebody else moved the alias while versions were measured."""
    was, is_now = ("no version" if one is None else f"version {one}" for one in (before, now))
    report.fail(
        f"alias {alias!r} pointed to {was} when this began, and points to {is_now} now; nothing was "
        f"promoted, as versions were compared with {was}. Run again: what is measured stays",
        NotAccepted.exit_code,
    )


def report_promotion(report: Report, best: Candidate, rule: AcceptanceRule) -> None:
    """Says which version the alias points to now, and why."""
    why = (
        "ranks first by its sweep's metric"
        if best.metric is not None
        else "has the highest number (none has a sweep's metric)"
    )
    if best.version == rule.serving:
        report.note(
            f"{rule.alias} stays at version {best.version}, the accepted version that {why}"
        )
        return
    report.put("promoted", {"alias": rule.alias, "version": best.version})
    report.note(f"{rule.alias} → version {best.version}, the accepted version that {why}")
