from __future__ import annotations

import pytest

from labelmill.domain.models.metrics import Evaluation, evaluate
from labelmill.domain.models.promotion import verdict
from labelmill.errors import InputError


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
    (100, 3, 0.04, 2, False, "1 more rows wrong than the serving version (2)"),
    (100, 3, 0.04, 3, True, "0 fewer rows wrong"),
    (100, 3, 0.04, 9, True, "6 fewer rows wrong than the serving version (9)"),
    (100, 5, 0.04, 9, False, "> acceptable"),
    (100, 3, None, 9, True, "6 fewer"),
    (100, 3, None, 1, False, "2 more"),
]


@pytest.mark.parametrize(("rows", "wrong", "max_error", "serving", "accepted", "reason"), CASES)
def test_verdict(
    rows: int,
    wrong: int,
    max_error: float | None,
    serving: int | None,
    accepted: bool | None,
    reason: str,
) -> None:
    current = None if serving is None else measured(rows, serving)
    found = verdict(measured(rows, wrong), max_error, current)
    assert found.accepted is accepted
    assert reason in " / ".join(found.reasons)


def test_invalid_arguments_are_refused() -> None:
    for bound in (-0.1, 1.5, float("nan")):
        with pytest.raises(InputError, match="acceptable error of 0 to 1"):
            verdict(measured(10, 1), bound)
    with pytest.raises(InputError, match="same slice, received 10 and 9 rows"):
        verdict(measured(10, 1), 0.5, measured(9, 1))
