"""The order of rows in an epoch."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from labelmill.errors import InputError
from labelmill.feed.order.counter_rng import Draws, key
from labelmill.feed.order.permutation import (
    Order,
    Permutation,
    check_shard,
    permutation,
    permute,
)


def epoch_of(order: Order, epoch: int) -> list[int]:
    return order.at(epoch, 0, order.per_epoch)[0].tolist()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 16, 97, 1000, 60_000])
def test_a_permutation_has_every_number_once(size: int) -> None:
    found = Permutation(size, key(size))(np.arange(size))
    assert sorted(found.tolist()) == list(range(size))


def test_permutations_are_evenly_spread() -> None:
    """All 24 orders of four come about equally often: χ² with 23 degrees of freedom, p = 0.001 at 49.7."""
    found = Counter(tuple(Permutation(4, key(n))(np.arange(4)).tolist()) for n in range(6000))
    expected = 6000 / 24
    assert (
        sum((found[p] - expected) ** 2 / expected for p in itertools.permutations(range(4))) < 49.7
    )


def test_neighbours_and_places_do_not_hang_together() -> None:
    found = Permutation(20_000, key(3))(np.arange(20_000))
    assert abs(np.corrcoef(np.arange(20_000), found)[0, 1]) < 0.03
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.03


def test_an_order_is_what_it_was_when_it_was_written() -> None:
    """States and seeds of last year must give last year's batches: these numbers never change."""
    assert epoch_of(Order(10, 7, True), 0) == [1, 8, 6, 0, 5, 2, 4, 3, 9, 7]
    assert epoch_of(Order(10, 7, True), 1) == [7, 8, 6, 3, 5, 4, 9, 1, 2, 0]
    balanced = Order(10, 7, True, [np.arange(6), np.arange(6, 9), np.arange(9, 10)])
    assert epoch_of(balanced, 0) == [7, 9, 3, 1, 9, 9, 6, 5, 0, 8]


def test_every_epoch_has_another_order_and_a_seed_has_the_same() -> None:
    epochs = [epoch_of(Order(500, 1, True), n) for n in range(5)]
    assert all(sorted(epoch) == list(range(500)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 5
    assert epochs[3] == epoch_of(Order(500, 1, True), 3)
    assert epochs[0] != epoch_of(Order(500, 2, True), 0)
    assert epoch_of(Order(500, 1, False), 4) == list(range(500))


def test_any_part_of_an_epoch_is_the_same_as_cut_out_of_it() -> None:
    order = Order(1000, 5, True)
    assert order.at(2, 130, 777)[0].tolist() == epoch_of(order, 2)[130:777]


def test_shards_are_equal_in_length_disjoint_and_leave_out_another_rest_each_epoch() -> None:
    shards = [Order(103, 1, True, shard=(n, 4)) for n in range(4)]
    left = set()
    for epoch in range(3):
        parts = [epoch_of(shard, epoch) for shard in shards]
        assert [len(part) for part in parts] == [25] * 4
        rows = list(itertools.chain(*parts))
        assert len(set(rows)) == 100
        left.add(frozenset(set(range(103)) - set(rows)))
        assert rows[0] == epoch_of(Order(103, 1, True), epoch)[0], "the same order, dealt out"
    assert len(left) == 3


def test_balanced_epochs_draw_classes_equally_often_and_their_rows_in_turn() -> None:
    members = [np.arange(0, 70), np.arange(70, 90), np.arange(90, 100)]
    order = Order(100, 3, True, members)
    first, second = epoch_of(order, 0), epoch_of(order, 1)
    assert len(first) == 100
    assert first != second
    assert Counter(row // 70 + (row >= 90) for row in first) in (
        {0: 34, 1: 33, 2: 33}, {0: 33, 1: 34, 2: 33}, {0: 33, 1: 33, 2: 34},
    )  # fmt: skip
    often = Counter(first)
    assert {often[row] for row in range(90, 100)} <= {3, 4}, "ten rows, 33 turns"
    assert {often[row] for row in range(70, 90)} <= {1, 2}
    assert len({row for row in first + second if row < 70}) > 45, "other rows of the large class"
    frozen = Order(100, 3, False, members)
    assert frozen.at(0, 0, 6)[0].tolist() == [0, 70, 90, 1, 71, 91]


def test_every_time_round_a_class_has_each_of_its_rows_once() -> None:
    members = [np.arange(0, 70), np.arange(70, 97), np.arange(97, 100)]
    drawn = Order(3 * 81, 3, True, members).at(0, 0, 3 * 81)[0]
    orders = set()
    for rows in members:
        turns = drawn[np.isin(drawn, rows)].tolist()
        often = Counter(turns)
        assert sorted(often) == rows.tolist()
        assert set(often.values()) <= {81 // len(rows), 81 // len(rows) + 1}
    whole = Order(9, 3, True, [np.arange(3)])
    for epoch in range(20):
        orders.add(tuple(epoch_of(whole, epoch)))
    assert len(orders) == 20


def test_a_rare_class_costs_no_more_than_another_and_nothing_is_kept_of_it() -> None:
    permutation.cache_clear()
    order = Order(20_000, 3, True, [np.arange(1), np.arange(1, 20_000)])
    often = Counter(epoch_of(order, 0))
    assert often[0] == 10_000
    assert max(often[row] for row in range(1, 20_000)) == 1
    assert permutation.cache_info().currsize == 1, "not one each time round"


def test_many_permutations_at_once_are_permutations_and_evenly_spread() -> None:
    for size in (1, 2, 5, 97, 1000):
        sizes, keys = np.full(size, size), np.full(size, key(size), np.uint64)
        assert sorted(permute(np.arange(size), sizes, keys)) == list(range(size))
    keys = np.repeat(np.array([key(n) for n in range(6000)], np.uint64), 4)
    found = permute(np.tile(np.arange(4), 6000), np.full(24_000, 4), keys).reshape(-1, 4)
    often = Counter(map(tuple, found.tolist()))
    assert sum((often[p] - 250) ** 2 / 250 for p in itertools.permutations(range(4))) < 49.7


@pytest.mark.parametrize(("classes", "shards"), [(4, 2), (2, 4), (3, 3), (6, 4), (5, 2)])
def test_every_shard_sees_every_class_in_the_frozen_order_too(classes: int, shards: int) -> None:
    members = [np.arange(n * 100, n * 100 + 60) for n in range(classes)]
    count = classes * 60
    parts = [epoch_of(Order(count, 1, False, members, (n, shards)), 0) for n in range(shards)]
    each = count // shards // classes
    for part in parts:
        assert set(Counter(row // 100 for row in part).values()) <= {each - 1, each, each + 1}
        assert len({row // 100 for row in part}) == classes
    assert sorted(itertools.chain(*parts)) == sorted(np.concatenate(members))


def test_shards_that_are_not() -> None:
    for number, shards in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(InputError, match=f"shard {number} of {shards}; expected"):
            check_shard(number, shards)


def test_draws_follow_from_what_they_are_for() -> None:
    positions = np.arange(20_000, dtype=np.uint64)
    draws = Draws(1, 2, positions)
    assert (draws.uniform(0)[5:9] == Draws(1, 2, positions[5:9]).uniform(0)).all()
    others = [
        Draws(2, 2, positions).uniform(0), Draws(1, 3, positions).uniform(0),
        draws.map(1).uniform(0), draws.uniform(1),
    ]  # fmt: skip
    for other in others:
        assert abs(np.corrcoef(draws.uniform(0), other)[0, 1]) < 0.03
    assert abs(draws.uniform(0).mean() - 0.5) < 0.01
    assert sorted(Counter(draws.integers(0, 3).tolist())) == [0, 1, 2]
    normal = Draws(1, 2, positions[:200]).normals(0, 101)
    assert normal.shape == (200, 101)
    assert abs(normal.mean()) < 0.03
    assert abs(normal.std() - 1) < 0.03
