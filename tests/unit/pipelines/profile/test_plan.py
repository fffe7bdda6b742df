"""Options of a profile, valid and invalid."""

from __future__ import annotations

from typing import Any

import pytest

from labelmill.errors import InputError
from labelmill.pipelines.profile.plan import ProfilePlan


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"distance": -1}, "--distance -1; expected 0 to 8 bits"),
        ({"distance": 9}, "--distance 9; expected 0 to 8 bits"),
        ({"likeness": 1.01}, "expected 0 to 1"),
        ({"likeness": float("nan")}, "expected 0 to 1"),
        ({"fail_on_deviation": True}, "--fail-on-deviation needs --against"),
    ],
)
def test_an_invalid_plan_says_what_was_expected(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ProfilePlan("digits", **changed).check()


@pytest.mark.parametrize(
    "changed",
    [{}, {"distance": 0, "likeness": 0}, {"distance": 8, "likeness": 1}, {"against": "latest", "fail_on_deviation": True}],
)  # fmt: skip
def test_a_valid_plan_passes(changed: dict[str, Any]) -> None:
    ProfilePlan("digits", **changed).check()
