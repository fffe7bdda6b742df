"""Whether a model version may serve: a pure decision on what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass

from labelmill.domain.models.comparison import SIGNIFICANT, Comparison
from labelmill.domain.models.metrics import Evaluation
from labelmill.errors import InputError, UnknownName

NO_WORSE, BETTER, ANY = "no-worse", "better", "any"

PROMOTE_IF = {
    NO_WORSE: "it has no more rows wrong than the version that serves, on the same rows",
    BETTER: "it has fewer rows wrong than the version that serves, on the same rows, significantly "
    f"so (McNemar's test, two-sided p < {SIGNIFICANT})",
    ANY: "whatever the version that serves has wrong",
}
"""Rules of promotion beside the acceptable error: a version may be promoted if …"""


@dataclass(frozen=True)
class Verdict:
    """The decision.

    Args:
        accepted: True, False, or None when no acceptable error was stated and nothing else decides.
        reasons: One or more sentences with the figures that decided.
    """

    accepted: bool | None
    reasons: tuple[str, ...]


def check_rule(max_error: float | None, promote_if: str) -> None:
    """Checks, before anything is measured, what will decide.

    Raises:
        InputError: ``max_error`` is not within 0..1.
        UnknownName: An unknown rule.
    """
    if max_error is not None and not 0 <= max_error <= 1:
        raise InputError(f"expected an acceptable error of 0 to 1, received {max_error}")
    if promote_if not in PROMOTE_IF:
        raise UnknownName("rule of promotion", promote_if, PROMOTE_IF)


def verdict(
    evaluation: Evaluation,
    max_error: float | None,
    compared: Comparison | None = None,
    promote_if: str = NO_WORSE,
) -> Verdict:
    """Judges a version by the acceptable error stated beforehand and by the version that serves.

    Args:
        evaluation: Of the version.
        max_error: Largest acceptable error (1 − accuracy), 0..1; None when none was stated.
        compared: The version and the one that serves on the same rows; None: nothing is compared.
        promote_if: One of `PROMOTE_IF`; decides only where something is compared.

    Raises:
        InputError: ``max_error`` is not within 0..1.
        UnknownName: An unknown rule.

    Example:
        >>> from labelmill.domain.models.metrics import evaluate
        >>> verdict(evaluate(["a", "b"], ["a", "a"], ["a", "b"]), max_error=0.1).accepted
        False
    """
    check_rule(max_error, promote_if)
    if evaluation.rows == 0 and not evaluation.unprepared:
        return Verdict(False, ("nothing was measured: the slice has 0 rows with a truth",))
    accepted, reasons = _by_error(evaluation, max_error) if evaluation.rows else (None, [])
    if compared is not None:
        fits = {
            NO_WORSE: compared.difference >= 0, BETTER: compared.better, ANY: True,
        }[promote_if]  # fmt: skip
        accepted = fits and accepted is not False
        reasons.append(_comparison_text(compared, promote_if, fits))
    if len(set(evaluation.classes[: evaluation.known])) < 2:
        accepted = accepted and False
        reasons.append("the model has one class, so it cannot be wrong; that proves nothing")
    if evaluation.unprepared:
        accepted = False
        reasons.append(
            f"{evaluation.unprepared:,} images could not be prepared for this version, so it is not "
            "accepted"
        )
    return Verdict(accepted, tuple(reasons))


def _by_error(evaluation: Evaluation, max_error: float | None) -> tuple[bool | None, list[str]]:
    if max_error is None:
        return None, [
            f"error {evaluation.error:.4f} on {evaluation.rows} rows; no acceptable error was stated"
        ]
    # Compared as counts, so that an error of exactly the limit is not lost to rounding.
    wrong = evaluation.rows - evaluation.right
    accepted = wrong <= max_error * evaluation.rows + 1e-9
    relation = "≤" if accepted else ">"
    return accepted, [
        (
            f"error {evaluation.error:.4f} {relation} acceptable {max_error:.4f} "
            f"({wrong} of {evaluation.rows} rows wrong)"
        )
    ]


def _comparison_text(compared: Comparison, promote_if: str, fits: bool) -> str:
    if compared.difference:
        count, more = abs(compared.difference), "fewer" if compared.difference > 0 else "more"
        relation = f"{count} {more} {'row' if count == 1 else 'rows'} wrong than"
    else:
        relation = "as many rows wrong as"
    test = "exact" if compared.exact else "chi-square"
    return (
        f"{relation} serving version {compared.serving} ({compared.wrong} against "
        f"{compared.serving_wrong} of {compared.rows}; {compared.only_right} right only here, "
        f"{compared.only_serving_right} only there, McNemar {test} p = {compared.p_value:.3g}): "
        f"{'meets' if fits else 'does not meet'} the rule {promote_if!r}"
    )
