"""What is removed: tables of cases."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from labelmill.domain.retention import (
    REPLAYED,
    Rule,
    TrainingSetRow,
    VersionRow,
    choose,
    choose_versions,
    is_abandoned,
    old_batches,
)
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
        ({}, "say what is old"),
        ({"name": "digits"}, "say what is old"),
        ({"keep": -1}, "expected 0 or more"),
        ({"older_than_days": -0.5}, "expected 0 or more"),
        ({"older_than_days": float("nan")}, "expected 0 or more"),
        ({"older_than_days": 1e12}, "365,000 days at most"),
    ],
)
def test_a_rule_that_says_nothing_is_none(bounds: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Rule(**bounds)  # type: ignore[arg-type]


def version(number: int, parent: int | None = None, *used_by: str) -> VersionRow:
    return VersionRow("m", number, NOW - timedelta(days=20 - number), 1, "", parent, used_by)


@pytest.mark.parametrize(
    ("known", "removed", "spared"),
    [
        ([version(1), version(2), version(3)], [1, 2, 3], []),
        ([version(1), version(2), version(3, None, "alias production")], [1, 2], [3]),
        # A chain: who serves keeps all from which it was trained, and no other.
        (
            [version(1), version(2, 1), version(3, 2), version(4, 3, "alias production"), version(5, 2)],
            [5], [4, 3, 2, 1],
        ),
        ([version(1), version(2, 1), version(3, 2)], [1, 2, 3], []),
        # A parent that is not there is nobody's.
        ([version(4, 9, "alias production")], [], [4]),
    ],
)  # fmt: skip
def test_what_a_version_was_trained_from_stays_with_it(
    known: list[VersionRow], removed: list[int], spared: list[int]
) -> None:
    choice = choose_versions(known, Rule(older_than_days=0, force=True), NOW)
    assert [one.version for one in choice.remove] == removed
    assert [one.version for one in choice.spared] == spared


def test_lineage_does_not_cross_models() -> None:
    other = VersionRow("other", 2, NOW, 1, "", 1, ("alias production",))
    choice = choose_versions([version(1), other], Rule(older_than_days=0), NOW)
    assert [(one.model, one.version) for one in choice.remove] == [("m", 1)]


@pytest.mark.parametrize(
    ("rule", "old"),
    [
        (Rule(older_than_days=0), 50),
        (Rule(keep=0), 50),
        (Rule(keep=REPLAYED + 20), 30),
        (Rule(keep=10**6), 0),
        (Rule(older_than_days=1), 50),
        (Rule(older_than_days=1.5), 0),
    ],
)
def test_a_streams_newest_micro_batches_stay(rule: Rule, old: int) -> None:
    numbers = np.arange(REPLAYED + 50)[::-1].copy()
    started = np.full(len(numbers), round((NOW - timedelta(days=1)).timestamp() * 1e6))
    assert np.flatnonzero(old_batches(numbers, started, rule, NOW)).tolist() == list(
        range(len(numbers) - old, len(numbers))
    )


@pytest.mark.parametrize(
    ("hours_ago", "days", "abandoned"),
    [
        ([100, 23], 0, False),
        ([100, 24], 0, True),
        ([100, 47], 2, False),
        ([100, 48], 2, True),
        ([100, 47], None, True),
    ],
)
def test_a_sweep_is_given_up_after_a_day_without_a_sign_of_life(
    hours_ago: list[int], days: float | None, abandoned: bool
) -> None:
    signs = [NOW - timedelta(hours=hours) for hours in hours_ago]
    assert is_abandoned(signs, Rule(days, keep=0), NOW) is abandoned
