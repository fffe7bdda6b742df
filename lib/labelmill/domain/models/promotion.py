"""Whether a model version may serve: a pure decision on its evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from labelmill.domain.models.metrics import Evaluation
from labelmill.errors import InputError


@dataclass(frozen=True)
class Verdict:
    """The decision.

    Args:
        accepted: True, False, or None when no acceptable error was stated and nothing else decides.
        reasons: One or more sentences with the figures that decided.
    """

    accepted: bool | None
    reasons: tuple[str, ...]


def verdict(
    evaluation: Evaluation, max_error: float | None, current: Evaluation | None = None
) -> Verdict:
    """Judges an evaluation against the acceptable error stated beforehand.

    Args:
        evaluation: Of the candidate.
        max_error: Largest acceptable error (1 − accuracy), 0..1; None when none was stated.
        current: Evaluation of the serving version on the same slice; the candidate must not be
            worse.

    Raises:
        InputError: ``max_error`` is not within 0..1, or the two evaluations differ in rows.
    """
    if max_error is not None and not 0 <= max_error <= 1:
        raise InputError(f"expected an acceptable error of 0 to 1, received {max_error}")
    if evaluation.rows == 0:
        return Verdict(False, ("nothing was measured: the slice has 0 rows with a truth",))
    if current is not None and current.rows != evaluation.rows:
        raise InputError(
            f"expected both versions measured on the same slice, received {evaluation.rows} and {current.rows} rows"
        )
    reasons: list[str] = []
    accepted: bool | None = None
    if max_error is None:
        reasons.append(
            f"error {evaluation.error:.4f} on {evaluation.rows} rows; no acceptable error was stated"
        )
    else:
        # Compared as counts, so that an error of exactly the limit is not lost to rounding.
        accepted = _wrong(evaluation) <= max_error * evaluation.rows + 1e-9
        relation = "≤" if accepted else ">"
        reasons.append(
            f"error {evaluation.error:.4f} {relation} acceptable {max_error:.4f} "
            f"({_wrong(evaluation)} of {evaluation.rows} rows wrong)"
        )
    if current is not None:
        difference = _wrong(current) - _wrong(evaluation)
        if difference < 0:
            accepted = False
            reasons.append(
                f"{-difference} more rows wrong than the serving version ({_wrong(current)})"
            )
        else:
            accepted = True if accepted is None else accepted
            reasons.append(
                f"{difference} fewer rows wrong than the serving version ({_wrong(current)})"
            )
    return Verdict(accepted, tuple(reasons))


def _wrong(evaluation: Evaluation) -> int:
    return evaluation.rows - int(evaluation.confusion.trace())
