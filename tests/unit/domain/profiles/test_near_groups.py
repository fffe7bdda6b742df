"""Groups from pairs, and the leaks and disputes in them."""

from __future__ import annotations

import numpy as np
import pytest

from labelmill.domain.connected_components import components
from labelmill.domain.profiles.near_groups import Edges, Nodes, leaks, near_groups


def nodes(*rows: tuple[int, int, tuple[int, int, int], str | None, str | None]) -> Nodes:
    ids, images, splits, low, high = zip(*rows, strict=True)
    return Nodes(
        np.array(ids, np.int64),
        np.array(images, np.int64),
        np.array(splits, np.int64),
        np.array(low, object),
        np.array(high, object),
    )


def edges(*rows: tuple[int, int, int, float]) -> Edges:
    a, b, distance, alike = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Edges(
        np.array(a, np.int64), np.array(b, np.int64), np.array(distance, np.int64), np.array(alike)
    )


def test_components_are_those_of_a_search() -> None:
    random = np.random.default_rng(0)
    for count, pairs in ((1, 0), (50, 20), (50, 45), (300, 200)):
        left, right = random.integers(0, count, (2, pairs))
        found = components(count, left, right)
        neighbours: dict[int, set[int]] = {node: set() for node in range(count)}
        for a, b in zip(left.tolist(), right.tolist(), strict=True):
            neighbours[a].add(b)
            neighbours[b].add(a)
        for node in range(count):
            seen, waiting = {node}, [node]
            while waiting:
                for other in neighbours[waiting.pop()] - seen:
                    seen.add(other)
                    waiting.append(other)
            assert found[node] == min(seen)


def test_a_long_chain_is_one_group() -> None:
    order = np.random.default_rng(1).permutation(2000)
    assert set(components(2000, order[:-1], order[1:])) == {0}


def test_groups_count_images_leaks_and_disputes() -> None:
    given = nodes(
        (-5, 1, (1, 0, 0), "a", "a"),
        (2, 3, (0, 0, 3), "a", "a"),
        (7, 1, (0, 1, 0), "a", "a"),
        (10, 1, (1, 0, 0), "b", "b"),
        (11, 1, (1, 0, 0), "c", "c"),
        (12, 1, (1, 0, 0), None, None),
        (99, 9, (9, 0, 0), "a", "z"),  # in no pair
    )
    found = near_groups(
        given,
        edges((2, 7, 4, 0.991), (-5, 2, 0, 0.999), (10, 12, 0, 1.0), (10, 11, 2, 0.995)),
        most=5,
    )
    assert (found.groups, found.images) == (2, 8)
    assert found.leaks == {"test in train": 3, "validation in train": 1, "test in validation": 3}
    assert found.classes_differ == 1
    largest, disputed = found.largest
    assert (largest.images, largest.a, largest.b, largest.distance) == (5, -5, 2, 0)
    assert not largest.classes_differ
    assert (disputed.images, disputed.a, disputed.b) == (3, 10, 11), "the pair that disagrees"
    assert found.disputed == [disputed]
    assert near_groups(given, edges((10, 11, 2, 0.995)), most=0).largest == []


def test_no_pairs_no_groups() -> None:
    found = near_groups(nodes((1, 1, (0, 0, 0), None, None)), edges(), most=5)
    assert (found.groups, found.images, found.leaks, found.largest) == (0, 0, {}, [])


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ([(2, 0, 3)], {"test in train": 3}),
        ([(0, 1, 1)], {"test in validation": 1}),
        ([(1, 0, 0), (0, 0, 1)], {}),
        ([(1, 1, 0), (5, 2, 0)], {"validation in train": 3}),
        ([(0, 0, 0)], {}),
    ],
)
def test_leaks(splits: list[tuple[int, int, int]], expected: dict[str, int]) -> None:
    assert leaks(np.array(splits, np.int64)) == expected
