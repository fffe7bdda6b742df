"""Which rows are frozen and where: whole groups, one split per image, limited classes, and the recorded proof."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.domain.splits.assign import Division
from labelmill.domain.splits.hashing import SPLITS, split_of
from labelmill.errors import InputError
from labelmill.feed.files.columns import Target
from labelmill.pipelines.freeze.query_schema import GROUP
from labelmill.training_sets.assembly.index import Labels
from labelmill.training_sets.assembly.options import Options
from labelmill.training_sets.assembly.splits import SplitAssignment, assign_splits

COUNT = 600


def _index(collections: str = "a", groups: list[str | None] | None = None) -> pa.Table:
    columns: dict[str, Any] = {
        "collection": [c for c in collections for _ in range(COUNT)],
        "image_id": [f"{n:04d}" for _ in collections for n in range(COUNT)],
    }
    if groups is not None:
        columns[GROUP] = pa.array(groups, pa.string())
    return pa.table(columns)


def _labels(rows: int) -> Labels:
    return Labels(["x", "y", "z"], (np.arange(rows) % 10 // 4).astype(np.int32))


def _assign(
    index: pa.Table,
    options: Options | None = None,
    given: list[int] | None = None,
    target: Target = "class",
    key: str = "image_id",
) -> SplitAssignment:
    splits = np.array([-1] * len(index) if given is None else given, np.int8)
    return assign_splits(index, key, target, _labels(len(index)), splits, options or Options())


def test_rows_are_in_order_of_their_split_and_nothing_is_lost() -> None:
    found = _assign(_index())
    assert sorted(found.order.tolist()) == list(range(COUNT))
    assert (np.diff(found.splits) >= 0).all()
    for place, code in zip(found.order.tolist(), found.splits, strict=True):
        assert SPLITS[code] == split_of(f"{place:04d}")
    inside = [int(np.count_nonzero(found.splits == code)) for code in range(3)]
    assert found.provenance["ids"] == dict(zip(SPLITS, inside, strict=True))
    assert found.provenance["ids_in_two_splits"] == 0


def test_a_group_is_whole_and_rows_without_one_go_alone() -> None:
    groups = [f"film {n // 7}" if n < 420 else None for n in range(COUNT)]
    found = _assign(_index(groups=groups))
    where: dict[str, set[int]] = {}
    for place, code in zip(found.order.tolist(), found.splits.tolist(), strict=True):
        if groups[place] is None:
            assert SPLITS[code] == split_of(f"{place:04d}")
        else:
            where.setdefault(str(groups[place]), set()).add(code)
    assert all(len(splits) == 1 for splits in where.values())
    assert len(set().union(*where.values())) == 3
    assert found.provenance["groups_in_two_splits"] == 0
    assert sum(found.provenance["groups"].values()) == 60


def test_a_group_goes_where_one_of_its_rows_was_put_and_never_to_two_places() -> None:
    groups: list[str | None] = [f"g{n // 10}" for n in range(COUNT)]
    given = [-1] * COUNT
    given[5] = 0
    found = _assign(_index(groups=groups), given=given)
    first = [found.splits[found.order.tolist().index(n)] for n in range(10)]
    assert first == [0] * 10
    given[6] = 1
    with pytest.raises(InputError, match=r"group 'g0' into test and train; groups stay whole"):
        _assign(_index(groups=groups), given=given)


def test_an_image_of_two_collections_is_in_one_split() -> None:
    found = _assign(_index("ab"), Options(Division(stratify=True)))
    codes = np.empty(2 * COUNT, int)
    codes[found.order] = found.splits
    assert (codes[:COUNT] == codes[COUNT:]).all()
    given = [0] * COUNT + [0] * 9 + [1] + [0] * (COUNT - 10)
    with pytest.raises(InputError, match=r"image '0009' into test and train; an image in two"):
        _assign(_index("ab"), given=given)
    records = _index("ab").rename_columns(["collection", "record_id"])
    assert len(_assign(records, given=given, key="record_id").order) == 2 * COUNT


def test_groups_that_share_an_image_are_one() -> None:
    # Films of ten images; b cuts them otherwise, and knows no film of every third image.
    def group(collection: str, n: int) -> str | None:
        if collection == "b" and n % 3 == 0:
            return None
        return f"{collection}{n // 20}" if n % 20 < 10 else f"{collection}{(n + 5) // 20} late"

    groups = [group(c, n) for c in "ab" for n in range(COUNT)]
    found = _assign(_index("ab", groups))
    assert found.provenance["ids_in_two_splits"] == found.provenance["groups_in_two_splits"] == 0
    codes = np.empty(2 * COUNT, int)
    codes[found.order] = found.splits
    assert (codes[:COUNT] == codes[COUNT:]).all()
    assert set(codes.tolist()) == {0, 1, 2}
    for name in set(groups) - {None}:
        assert len({codes[n] for n, other in enumerate(groups) if other == name}) == 1
    given = [-1] * 2 * COUNT
    given[0], given[COUNT] = 0, 1
    with pytest.raises(InputError, match="'0000' into test and train; groups stay whole"):
        _assign(_index("ab", groups), given=given)


def test_a_chain_of_groups_is_one_unit_however_long() -> None:
    # a: 0 1 | 2 3 | …, b: 0 | 1 2 | 3 4 | …: each group meets the next.
    groups: list[str | None] = [
        f"{c}{(n + (c == 'b')) // 2:04d}" for c in "ab" for n in range(COUNT)
    ]
    found = _assign(_index("ab", groups))
    assert set(found.splits.tolist()) == {SPLITS.index(split_of("a0000"))}


def test_balance_and_limit_leave_rows_out_and_say_how_many() -> None:
    labels = _labels(COUNT).codes
    found = _assign(_index(), Options(balance=True, limit_per_class=30))
    for code in range(3):
        kept = np.bincount(labels[found.order[found.splits == code]], minlength=3)
        assert (kept <= 30).all()
    train = np.bincount(labels[found.order[found.splits == 1]], minlength=3)
    assert train.tolist() == [30, 30, 30]
    assert found.provenance["left_out"] == COUNT - len(found.order)


@pytest.mark.parametrize(
    ("options", "target", "text"),
    [
        (Options(balance=True), "classes", "several classes per row"),
        (Options(limit_per_class=3), "mask", "this slice has no class"),
        (Options(Division(stratify=True)), "mask", "--stratify. need a class"),
        (Options(class_list=("a",)), "mask", "a class list needs a class"),
    ],
)
def test_options_that_do_not_go_with_the_target(
    options: Options, target: Target, text: str
) -> None:
    with pytest.raises(InputError, match=text):
        _assign(_index(), options, target=target)


def test_options_that_contradict_each_other() -> None:
    with pytest.raises(InputError, match="groups stay whole, so classes cannot have exact shares"):
        _assign(_index(groups=["g"] * COUNT), Options(Division(stratify=True)))
    for wrong, text in (
        ({"limit_per_class": 0}, "limit per class 0; expected 1 or more"),
        ({"class_list": ("a", "b", "a")}, "class list a, b, a; expected each class once"),
        ({"class_list": ()}, r"class list \(empty\)"),
        ({"class_list": ("a", "b", "")}, "class list a,b, has an empty name"),
        ({"no_target": True, "balance": True}, "without a target"),
    ):
        with pytest.raises(InputError, match=text):
            Options(**wrong)
