"""Judges a version by what was counted on a slice."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from labelmill.domain.models.comparison import Comparison
from labelmill.domain.models.metrics import Evaluation
from labelmill.domain.models.promotion import Verdict, verdict
from labelmill.domain.models.unseen import unseen_classes
from labelmill.errors import NoData
from labelmill.pipelines.evaluate.candidates import Candidate

Judged = tuple[Candidate, Evaluation, Verdict]
"""A version, what was measured of it, and the verdict."""


@dataclass(frozen=True)
class AcceptanceRule:
    """What decides whether a version is accepted, stated before anything is measured.

    Attributes:
        max_error: Acceptable error (1 − accuracy), 0..1; None: measured, not judged.
        promote_if: One of `labelmill.domain.models.promotion.PROMOTE_IF`.
        alias: Alias that is to be moved; None: nothing is promoted, so nothing is compared.
        serving: Version that the alias points to, with which the others are compared; None: none.
    """

    max_error: float | None
    promote_if: str
    alias: str | None = None
    serving: int | None = None


def judge(
    candidate: Candidate,
    found: Evaluation,
    compared: Comparison | None,
    rule: AcceptanceRule,
    trained: Collection[str] | None = None,
) -> Judged:
    """Judges one version.

    Args:
        candidate: The version.
        found: What was measured of it.
        compared: It and the serving version on the same rows; None: there is nothing to compare.
        rule: What decides.
        trained: Classes with training images; None: not known.

    Raises:
        NoData: Nothing was measured.
    """
    if not found.rows and not found.unprepared:
        raise NoData("the slice has no rows")
    decided = verdict(found, rule.max_error, compared, rule.promote_if)
    reasons = list(decided.reasons)
    if unseen := unseen_classes(found, trained):
        reasons.append(str(unseen))
    if candidate.version == rule.serving:
        reasons.append(f"it serves as {rule.alias} now")
    return candidate, found, Verdict(decided.accepted, tuple(reasons))
