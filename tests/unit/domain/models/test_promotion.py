from __future__ import annotations

import pytest

from labelmill.domain.models.comparison import Comparison
from labelmill.domain.models.metrics import Evaluation, evaluate, evaluate_counts
from labelmill.domain.models.promotion import verdict
from labelmill.errors import InputError, UnknownName


def measured(rows: int, wrong: int) -> Evaluation:
    return evaluate(["a"] * rows, ["b"] * wrong + ["a"] * (rows - wrong), ("a", "b"))


CASES = [
    # rows, wrong, max_error, wrong of the serving version, accepted, in the reasons
    (100, 3, 0.04, None, True, "error 0.0300 ≤ acceptable 0.0400 (3 of 100 rows wrong)"),
    (100, 4, 0.04, None, True, "error 0.0400 ≤ acceptable 0.0400"),
    (100, 5, 0.04, None, False, "error 0.0500 > acceptable 0.0400 (5 of 100 rows wrong)"),
    (10, 3, 0.3, None, True, "≤"),
    (100, 29, 0.29, None, True, "≤"),  # 0.29 × 100 is 28.999… in binary
    (100, 0, 0.0, None, True, "error 0.0000 ≤ acceptable 0.0000"),
    (100, 1, 0.0, None, False, ">"),
    (100, 100, 1.0, None, True, "≤"),
    (0, 0, 1.0, None, False, "0 rows"),
    (0, 0, None, None, False, "0 rows"),
    (100, 3, None, None, None, "no acceptable error was stated"),
    (100, 3, 0.04, 2, False, "1 more row wrong than serving version 7 (3 against 2 of 100"),
    (100, 3, 0.04, 3, True, "as many rows wrong as serving version 7"),
    (100, 3, 0.04, 9, True, "6 fewer rows wrong than serving version 7 (3 against 9 of 100"),
    (100, 5, 0.04, 9, False, "> acceptable"),
    (100, 3, None, 9, True, "6 fewer"),
    (100, 3, None, 1, False, "2 more"),
]


def compared(rows: int, wrong: int, serving: int) -> Comparison:
    """Rows that one version has wrong are wrong in the other too, as far as there are as many."""
    both = min(wrong, serving)
    return Comparison(7, rows - max(wrong, serving), serving - both, wrong - both, both)


@pytest.mark.parametrize(("rows", "wrong", "max_error", "serving", "accepted", "reason"), CASES)
def test_verdict(
    rows: int,
    wrong: int,
    max_error: float | None,
    serving: int | None,
    accepted: bool | None,
    reason: str,
) -> None:
    against = None if serving is None else compared(rows, wrong, serving)
    found = verdict(measured(rows, wrong), max_error, against)
    assert found.accepted is accepted
    assert reason in " / ".join(found.reasons)


@pytest.mark.parametrize(
    ("wrong", "serving", "fitting"),
    [(13, 12, {"any"}), (12, 12, {"any", "no-worse"}), (12, 17, {"any", "no-worse"}),
     (12, 18, {"any", "no-worse", "better"}), (0, 6, {"any", "no-worse", "better"})],
)  # fmt: skip
def test_the_rule_decides_beside_the_acceptable_error(
    wrong: int, serving: int, fitting: set[str]
) -> None:
    found = measured(20, wrong)
    against = compared(20, wrong, serving)
    accepted = {
        r for r in ("no-worse", "better", "any") if verdict(found, 1.0, against, r).accepted
    }
    assert accepted == fitting
    assert verdict(measured(20, 20), 0.5, against, "any").accepted is False
    assert "McNemar exact p = " in verdict(found, 1.0, against).reasons[1]


def test_a_verdict_that_cannot_fail_is_none() -> None:
    alone = evaluate(["a"] * 5, ["a"] * 5, ["a"])
    assert verdict(alone, 0.1).accepted is False
    assert "one class" in verdict(alone, 0.1).reasons[-1]
    assert verdict(alone, None).accepted is None


def test_where_nothing_was_measured_no_error_is_stated() -> None:
    found = verdict(evaluate_counts({("a", None): 3}, ["a", "b"]), max_error=0.1)
    assert found.accepted is False
    assert found.reasons == (
        "3 images could not be prepared for this version, so it is not accepted",
    )


def test_invalid_arguments_are_refused() -> None:
    for bound in (-0.1, 1.5, float("nan")):
        with pytest.raises(InputError, match="acceptable error of 0 to 1"):
            verdict(measured(10, 1), bound)
    with pytest.raises(UnknownName, match="Did you mean 'better'"):
        verdict(measured(10, 1), 0.5, None, "beter")
