"""Which rows must stay in one split: by image, by group, and by what connects them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmill.errors import InputError
from labelmill.training_sets.assembly.groups import GROUP, groups_of, source_splits_of


def _rows(
    keys: Sequence[tuple[str, str]],
    groups: Sequence[str | None] | None = None,
    key: str = "image_id",
) -> pa.Table:
    columns = {
        "collection": pa.array([c for c, _ in keys], pa.string()),
        key: pa.array([i for _, i in keys], pa.string()),
    }
    if groups is not None:
        columns[GROUP] = pa.array(groups, pa.string())
    return pa.table(columns)


def _names(rows: pa.Table, key: str = "image_id") -> list[str]:
    names, units = groups_of(rows, key)
    return [str(names[int(unit)].as_py()) for unit in units]


def test_without_groups_every_image_is_its_own_unit() -> None:
    assert _names(_rows([("a", "1"), ("a", "2")])) == ["1", "2"]


def test_an_image_of_two_collections_is_one_unit_but_a_record_is_not() -> None:
    keys = [("a", "1"), ("a", "2"), ("b", "1")]
    assert _names(_rows(keys)) == ["1", "2", "1"]
    names, units = groups_of(_rows(keys, key="record_id"), "record_id")
    assert len(names) == 3
    assert units.tolist() == [0, 1, 2]


def test_a_row_without_group_stands_alone_under_its_id() -> None:
    rows = _rows([("a", "1"), ("a", "2"), ("a", "3")], ["film", None, "film"])
    assert _names(rows) == ["film", "2", "film"]


def test_groups_that_share_an_image_are_one_named_after_the_first() -> None:
    keys = [("a", "1"), ("a", "2"), ("b", "2"), ("b", "3")]
    assert _names(_rows(keys, ["y", "z", "x", "x"])) == ["y", "x", "x", "x"]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.integers(0, 6)),
        min_size=2,
        unique_by=lambda row: row[:2],
    )
)
def test_units_are_the_connected_parts_of_groups_and_images(
    drawn: list[tuple[str, int, int]],
) -> None:
    rows = sorted(drawn)
    keys = [(c, f"i{image}") for c, image, _ in rows]
    named = _names(_rows(keys, [f"g{group}" for *_, group in rows]))
    parents: dict[str, set[str]] = {}
    for (_, image), (*_, group) in zip(keys, rows, strict=True):
        parents.setdefault(image, set()).add(f"g{group}")
    if len({c for c, _ in keys}) == 1:
        assert named == [f"g{group}" for *_, group in rows]
        return
    # A plain search from each group, one step at a time.
    for (*_, group), name in zip(rows, named, strict=True):
        reached, grown = {f"g{group}"}, True
        while grown:
            more = set().union(*(g for g in parents.values() if g & reached))
            grown = not more <= reached
            reached |= more
        assert name == min(reached)


def test_a_unit_takes_the_split_that_its_source_gives() -> None:
    names, units = pa.chunked_array([["x", "y"]]), np.array([0, 0, 1])
    found = source_splits_of(names, units, np.array([-1, 2, -1], np.int8), True)
    assert found.tolist() == [2, -1]


def test_a_unit_in_two_splits_is_refused_by_name() -> None:
    names, units = pa.chunked_array([["x", "y"]]), np.array([0, 0, 1, 1])
    with pytest.raises(InputError, match=r"group 'x' into .*, and 1 others into two splits"):
        source_splits_of(names, units, np.array([0, 1, 1, 2], np.int8), True)
    with pytest.raises(InputError, match=r"image 'x' into test and train; .* give it one split"):
        source_splits_of(names, units, np.array([0, 1, 1, 1], np.int8), False)
