from __future__ import annotations

import collections
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.domain.splits.hashing import split_of
from labelmill.errors import InputError

IDS = [hashlib.sha256(b"%d" % i).hexdigest() for i in range(20_000)]


def test_shares_are_near_the_fractions() -> None:
    counts = collections.Counter(split_of(i, (0.7, 0.2, 0.1)) for i in IDS)
    # five standard deviations of a binomial
    assert counts["train"] == pytest.approx(14_000, abs=5 * (20_000 * 0.7 * 0.3) ** 0.5)
    assert counts["validation"] == pytest.approx(4_000, abs=5 * (20_000 * 0.2 * 0.8) ** 0.5)
    assert counts["test"] == pytest.approx(2_000, abs=5 * (20_000 * 0.1 * 0.9) ** 0.5)


def test_the_split_never_changes() -> None:
    # Written down once: a change of these lets test images of old training sets into training.
    assert [split_of(str(i)) for i in range(12)] == FIRST_TWELVE


FIRST_TWELVE: list[str] = [
    "validation",
    "train",
    "test",
    "train",
    "train",
    "train",
    "train",
    "train",
    "train",
    "train",
    "train",
    "train",
]


def test_salt_gives_an_independent_split() -> None:
    both = sum(split_of(i, (0.5, 0, 0.5)) == split_of(i, (0.5, 0, 0.5), "b") for i in IDS)
    assert both == pytest.approx(10_000, abs=5 * 70.7)


@pytest.mark.parametrize(
    ("fractions", "allowed"),
    [
        ((1, 0, 0), {"train"}),
        ((0, 1, 0), {"validation"}),
        ((0, 0, 1), {"test"}),
        ((0.9, 0.1, 0), {"train", "validation"}),
    ],
)
def test_a_share_of_zero_gets_nothing(
    fractions: tuple[float, float, float], allowed: set[str]
) -> None:
    assert {split_of(i, fractions) for i in IDS} == allowed


@given(st.text(max_size=5), st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_growing_train_never_moves_an_image_out_of_it(image_id: str, weights: list[float]) -> None:
    whole = sum(weights)
    train, validation = weights[0] / whole, weights[1] / whole
    if split_of(image_id, (train, validation, 1 - train - validation)) == "train":
        more = train + validation / 2
        assert split_of(image_id, (more, validation / 2, 1 - more - validation / 2)) == "train"


@pytest.mark.parametrize(
    "fractions",
    [(0.5, 0.5, 0.5), (-0.5, 1, 0.5), (float("nan"), 0.5, 0.5), (0.5, 0.5), (1, 0, 0, 0)],
)
def test_fractions_that_are_no_shares(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(InputError, match="three shares"):
        split_of("a", fractions)
