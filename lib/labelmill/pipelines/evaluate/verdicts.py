"""Judges a version by what was counted on a slice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from labelmill.domain.models.metrics import Evaluation, evaluate
from labelmill.domain.models.promotion import Verdict, verdict
from labelmill.errors import NoData
from labelmill.pipelines.evaluate.candidates import Candidate

Judged = tuple[Candidate, Evaluation, Verdict]
"""A version, what was measured of it, and the verdict."""


def judge(
    candidate: Candidate,
    counts: Counter[tuple[str, str | None]],
    classes: Sequence[str],
    max_error: float | None,
) -> Judged:
    """Measures and judges one version.

    Args:
        candidate: The version.
        counts: Images by true and predicted class; the latter is None where the image could not be
            prepared for this version, which is never accepted then.
        classes: The version's classes in the order of their indices.
        max_error: Acceptable error (1 − accuracy), 0..1; None: measured, not judged.

    Raises:
        NoData: `counts` is empty.
    """
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
    found = evaluate(truth, predicted, classes)
    decided = verdict(found, max_error)
    if failed:
        reason = f"{failed:,} images could not be prepared for this version, so it is not accepted"
        decided = Verdict(False, (*decided.reasons, reason))
    return candidate, found, decided
