"""Splits of many units at once: given ones stay, shares are exact where asked, groups stay whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.domain.splits.assign import Division, divide
from labelmill.domain.splits.hashing import SPLITS, TEST, TRAIN, VALIDATION, positions_of, split_of
from labelmill.errors import InputError

IDS = [f"image {n}" for n in range(5_000)]
POSITIONS = positions_of(IDS)
NONE_GIVEN = np.full(len(IDS), -1, np.int8)
ONE_CLASS = np.zeros(len(IDS), np.int32)


def test_without_given_splits_each_goes_where_its_hash_says() -> None:
    codes, cut_off = divide(POSITIONS, NONE_GIVEN, ONE_CLASS, Division())
    assert [SPLITS[code] for code in codes] == [split_of(i) for i in IDS]
    assert not cut_off


def test_given_splits_stay_and_validation_comes_off_train() -> None:
    held = np.where(np.arange(len(IDS)) % 5 == 0, TEST, TRAIN).astype(np.int8)
    codes, cut_off = divide(POSITIONS, held, ONE_CLASS, Division())
    assert cut_off
    assert (codes[held == TEST] == TEST).all()
    assert set(codes[held == TRAIN].tolist()) == {TRAIN, VALIDATION}
    assert 300 < np.count_nonzero(codes == VALIDATION) < 500
    whole, cut_off = divide(POSITIONS, held, ONE_CLASS, Division(validation_fraction=0))
    assert (whole == held).all()
    assert not cut_off
    held[3] = VALIDATION
    assert (divide(POSITIONS, held, ONE_CLASS, Division())[0] == held).all()


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=60),
    st.sampled_from(
        [(0.8, 0.1, 0.1), (0.5, 0.5, 0.0), (0.7, 0.0, 0.3), (1.0, 0.0, 0.0), (0.05, 0.5, 0.45)]
    ),
)
def test_stratified_classes_and_their_sums_keep_their_shares(
    counts: list[int], fractions: tuple[float, float, float]
) -> None:
    strata = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    number = len(strata)
    codes, _ = divide(
        POSITIONS[:number], NONE_GIVEN[:number], strata,
        Division(fractions=fractions, stratify=True),
    )  # fmt: skip
    for stratum, count in enumerate(counts):
        own = codes[strata == stratum]
        found = [np.count_nonzero(own == code) for code in (TRAIN, VALIDATION, TEST)]
        assert all(abs(n - count * share) < 1 for n, share in zip(found, fractions, strict=True))
        assert found[0] or not count
    if all(count * fractions[0] >= 1 for count in counts):
        for code, share in zip((TRAIN, VALIDATION, TEST), fractions, strict=True):
            assert abs(np.count_nonzero(codes == code) - share * number) <= 1


@pytest.mark.parametrize("each", [5, 6, 7])
def test_many_small_classes_leave_no_split_empty(each: int) -> None:
    strata = np.repeat(np.arange(500, dtype=np.int32), each)
    number = len(strata)
    positions = positions_of((str(n) for n in range(number)), "")
    codes, _ = divide(positions, np.full(number, -1, np.int8), strata, Division(stratify=True))
    found = [np.count_nonzero(codes == code) for code in (TRAIN, VALIDATION, TEST)]
    shares = [0.8 * number, 0.1 * number, 0.1 * number]
    assert all(abs(n - share) <= 1 for n, share in zip(found, shares, strict=True))
    assert np.unique(strata[codes == TRAIN]).size == 500


def test_one_more_image_moves_at_most_one_other_across_each_cut() -> None:
    division = Division(stratify=True)
    fewer, _ = divide(POSITIONS[:999], NONE_GIVEN[:999], ONE_CLASS[:999], division)
    more, _ = divide(POSITIONS[:1000], NONE_GIVEN[:1000], ONE_CLASS[:1000], division)
    assert np.count_nonzero(fewer != more[:999]) <= 2


def test_invalid_divisions_are_refused() -> None:
    with pytest.raises(InputError, match="validation fraction 1"):
        Division(validation_fraction=1.0)
    with pytest.raises(InputError, match="three shares"):
        Division(fractions=(0.5, 0.5, 0.5))
