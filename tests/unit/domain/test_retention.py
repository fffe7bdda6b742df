"""Which training sets are removed: tables of cases."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from labelmill.domain.retention import Rule, TrainingSetRow, choose
from labelmill.errors import InputError

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)


def frozen(digest: str, days_old: float, name: str = "digits", *used_by: str) -> TrainingSetRow:
    return TrainingSetRow(
        digest, name, 10, f"/root/{digest}", NOW - timedelta(days=days_old), used_by
    )


KNOWN = [
    frozen("d9", 9),
    frozen("d1", 1),
    frozen("d5", 5, "digits", "small 3"),
    frozen("p7", 7, "pets"),
    frozen("d30", 30),
]


@pytest.mark.parametrize(
    ("rule", "removed", "spared"),
    [
        (Rule(older_than_days=6), ["d30", "d9", "p7"], []),
        (Rule(older_than_days=9), ["d30", "d9"], []),
        (Rule(older_than_days=0), ["d30", "d9", "p7", "d1"], ["d5"]),
        (Rule(older_than_days=0, force=True), ["d30", "d9", "p7", "d5", "d1"], []),
        (Rule(keep=1), ["d30", "d9"], ["d5"]),
        (Rule(keep=0, name="pets"), ["p7"], []),
        (Rule(keep=0, name="nobody"), [], []),
        # The one in use counts among the newest two: keeping is about age, not about use.
        (Rule(keep=2), ["d30", "d9"], []),
        (Rule(keep=1, older_than_days=20), ["d30"], []),
        (Rule(keep=3, older_than_days=2), ["d30"], []),
        (Rule(keep=9), [], []),
    ],
)
def test_the_rule_says_which_go_and_users_spare_some(
    rule: Rule, removed: list[str], spared: list[str]
) -> None:
    choice = choose(KNOWN, rule, NOW)
    assert [one.digest for one in choice.remove] == removed
    assert [one.digest for one in choice.spared] == spared


def test_frozen_at_the_same_moment_the_order_is_still_one() -> None:
    twins = [frozen("b", 3), frozen("a", 3), frozen("c", 3)]
    for listed in (twins, twins[::-1]):
        assert [o.digest for o in choose(listed, Rule(keep=1), NOW).remove] == ["a", "b"]


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({}, "say which training sets are old"),
        ({"name": "digits"}, "say which training sets are old"),
        ({"keep": -1}, "expected 0 or more"),
        ({"older_than_days": -0.5}, "expected 0 or more"),
        ({"older_than_days": float("nan")}, "expected 0 or more"),
        ({"older_than_days": 1e12}, "365,000 days at most"),
    ],
)
def test_a_rule_that_says_nothing_is_none(bounds: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Rule(**bounds)  # type: ignore[arg-type]
