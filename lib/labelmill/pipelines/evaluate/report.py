"""The rows and the closing report of an evaluation."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from labelmill.domain.models.metrics import Evaluation
from labelmill.domain.models.promotion import Verdict
from labelmill.pipelines.evaluate.candidates import Candidate
from labelmill.pipelines.evaluate.verdicts import Judged
from labelmill.spark.report import Report


def evaluation_row(
    model: str,
    digest: str,
    text: str,
    max_error: float | None,
    candidate: Candidate,
    found: Evaluation,
    decided: Verdict,
) -> dict[str, object]:
    """A version's row of ``evaluations``.

    Args:
        model: Model name.
        digest: SHA-256 (hex) of the slice.
        text: The slice as text: its query, or training set and split.
        max_error: Acceptable error; None when none was stated.
        candidate: The version.
        found: Its measures.
        decided: Its verdict.
    """
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


def fill_report(report: Report, model: str, text: str, judged: list[Judged]) -> None:
    """Adds what was measured to the closing report."""
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
