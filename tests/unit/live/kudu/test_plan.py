"""Plans as data, and the order in which their rows come: no Kudu, no Spark session."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.errors import InputError, NoData, UnknownName
from labelmill.feed.batches.blocks import Blocks
from labelmill.feed.batches.state import Position
from labelmill.feed.rows.pixels import ShapeOf
from labelmill.live.kudu.index import index_of, target_of
from labelmill.live.kudu.plan import KuduPlan, Unit
from labelmill.live.kudu.planner import Piece, at_least, cut
from labelmill.live.kudu.window_order import Coming, WindowOrder
from labelmill.store.reading.id_index import Ids

ROWS, EACH = 1000, 16


def ids_of(count: int) -> list[str]:
    return sorted(hashlib.sha256(str(n).encode()).hexdigest() for n in range(count))


def plan_of(rows: int = ROWS, unit: int = 90) -> KuduPlan:
    starts = range(0, rows, unit)
    return KuduPlan(
        sql="select …",
        parameters={"since": "2026"},
        snapshot_ms=5,
        target="class",
        classes=("a", "b"),
        shapes=(ShapeOf(4, 4, 1, "uint8"),),
        index=pa.table(
            {
                "image_id": ids_of(rows),
                "class": ["ab"[n % 2] for n in range(rows)],
                "shape": pa.array(np.zeros(rows, np.int32)),
            }
        ),
        units=tuple(
            Unit(
                "c",
                s,
                min(s + unit, rows),
                EACH * (min(s + unit, rows) - s),
                (bytes([0, s % 251]),),
            )
            for s in starts
        ),
    )


def order_of(
    plan: KuduPlan, seed: int = 1, shuffle: bool = True, size: int = 300 * EACH
) -> WindowOrder:
    def ignored(_: Coming) -> None:
        pass

    return WindowOrder(len(plan), seed, shuffle, plan=plan, size=size, coming=ignored)


def epoch_of(order: WindowOrder, epoch: int, batch: int = 37) -> list[int]:
    rows: list[int] = []
    for start in range(0, order.rows, batch):
        taken, places = order.at(epoch, start, min(start + batch, order.rows))
        assert places.tolist() == list(range(start, min(start + batch, order.rows)))
        rows += taken.tolist()
    return rows


def test_each_row_comes_once_an_epoch_and_each_epoch_in_another_order() -> None:
    order = order_of(plan_of())
    epochs = [epoch_of(order, epoch) for epoch in range(3)]
    assert all(sorted(rows) == list(range(ROWS)) for rows in epochs)
    assert len({tuple(rows) for rows in epochs}) == 3
    assert epochs == [epoch_of(order_of(plan_of()), epoch, batch=500) for epoch in range(3)]
    assert epochs[0] != epoch_of(order_of(plan_of(), seed=2), 0)
    assert epoch_of(order_of(plan_of(), shuffle=False), 1) == list(range(ROWS))


def test_rows_change_places_within_windows_of_bounded_size() -> None:
    windows = order_of(plan_of()).windows(0)
    assert [w.end - w.begin <= 300 for w in windows] == [True] * len(windows)
    assert len(windows) == 4
    first = windows[0]
    members = [set(range(u.start, u.stop)) for u in first.units]
    # Rows of all units of a window are mixed: its first ninety come from each of them.
    assert all(members_of & set(first.rows[:90].tolist()) for members_of in members)
    assert sorted(first.rows.tolist()) == sorted(n for members_of in members for n in members_of)
    alone = order_of(plan_of(), size=1).windows(0)
    assert [len(w.units) for w in alone] == [1] * 12


def test_windows_go_on_from_a_place_to_the_end_of_the_pass() -> None:
    order = order_of(plan_of())
    ends = [w.end for w in order.windows(2)]
    assert [(e, w.end) for e, w in order.from_(2, ends[1], 1)] == [(2, end) for end in ends[2:]]
    two = [(e, w.end) for e, w in order.from_(2, ends[1] - 1, 2)]
    assert two == [(2, end) for end in ends[1:]] + [(3, w.end) for w in order.windows(3)]


class Rowless:
    """A source of rows that are their own numbers."""

    masks = False

    def __len__(self) -> int:
        return ROWS

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, None]:
        return rows, None


def test_blocks_end_where_windows_end() -> None:
    asked: list[Coming] = []
    order = WindowOrder(
        ROWS, 1, True, plan=plan_of(), size=300 * EACH, coming=asked.append
    )  # fmt: skip
    blocks = Blocks(Rowless(), order, 16, False, [])
    assert blocks.most > 300 // 16
    asked.clear()
    given = [row for block in blocks.from_(Position(0, 0), 1) for row in block.rows.inputs.tolist()]
    assert given == epoch_of(order_of(plan_of()), 0)
    ends = [window.end for window in order.windows(0)]
    several = [one for one in asked if one.stop - one.start > 16]
    assert len(several) > len(ends)
    assert not [one for one in several for end in ends if one.start < end < one.stop]


def test_a_batch_costs_no_look_at_all_units() -> None:
    class Counted(tuple[Unit, ...]):
        looked = 0

        def __iter__(self) -> Iterator[Unit]:
            Counted.looked += 1
            return super().__iter__()

        def __hash__(self) -> int:
            Counted.looked += 1
            return super().__hash__()

        def __getitem__(self, key: Any) -> Any:
            Counted.looked += 1
            return super().__getitem__(key)

    plan = plan_of()
    order = order_of(replace(plan, units=Counted(plan.units)))
    expected = [epoch_of(order, epoch) for epoch in range(2)]
    Counted.looked = 0
    assert [epoch_of(order, epoch, batch=1) for epoch in range(2)] == expected
    assert Counted.looked == 0
    assert epoch_of(order_of(plan), 1) == expected[1]


def test_who_reads_ahead_hears_of_a_place_before_its_rows_are_worked_out() -> None:
    heard: list[object] = []
    order = WindowOrder(
        ROWS, 1, True, plan=plan_of(), size=300 * EACH,
        coming=lambda asked: heard.append(asked[:3]),
        soon=lambda epoch, start: heard.append((epoch, start)),
    )  # fmt: skip
    order.at(2, 5, 7)
    assert heard == [(2, 5), (2, 5, 7)]


def test_any_stretch_of_an_epoch_is_found() -> None:
    order = order_of(plan_of())
    whole = epoch_of(order, 0)
    ends = [w.end for w in order.windows(0)]
    for start in [0, 1, *ends, *(end - 1 for end in ends)]:
        for stop in [start, *ends, ROWS]:
            if start <= stop:
                assert order.at(0, start, stop)[0].tolist() == whole[start:stop]


def test_a_plan_travels_as_bytes_and_by_pickle() -> None:
    plan = plan_of()
    for copy in (KuduPlan.from_bytes(plan.to_bytes()), pickle.loads(pickle.dumps(plan))):
        assert copy.index.equals(plan.index)
        assert (copy.units, copy.shapes, copy.classes) == (plan.units, plan.shapes, plan.classes)
        assert (copy.parameters, copy.digest) == ({"since": "2026"}, plan.digest)
    for data in (b"", b"no plan at all", plan.to_bytes()[:200]):
        with pytest.raises(InputError, match="no plan of KuduBatches"):
            KuduPlan.from_bytes(data)


def test_parts_share_the_rows() -> None:
    plan = plan_of()
    parts = [KuduPlan.from_bytes(plan.part(n, 5).to_bytes()) for n in range(5)]
    ids = [i for part in parts for i in part.index["image_id"].to_pylist()]
    assert sorted(ids) == plan.index["image_id"].to_pylist()
    for part in parts:
        assert part.units[0].start == 0
        assert part.units[-1].stop == len(part) == part.index.num_rows
        assert sorted(epoch_of(order_of(part), 0)) == list(range(len(part)))
    tokens = [token for part in parts for unit in part.units for token in unit.tokens]
    assert sorted(tokens) == sorted(token for unit in plan.units for token in unit.tokens)
    assert len({part.digest for part in [*parts, plan]}) == 6
    with pytest.raises(InputError, match=r"12 units cannot be shared by 13.*parts=13"):
        plan.part(0, 13)
    with pytest.raises(InputError, match="shard 5 of 5"):
        plan.part(5, 5)


@pytest.mark.parametrize(
    ("sizes", "most", "rows", "pieces"),
    [
        ([10] * 10, 30, None, [3, 2, 3, 2]),
        ([10] * 10, 20, None, [2, 2, 2, 2, 2]),
        ([10] * 10, 1000, None, [10]),
        ([10] * 10, 1000, 4, [3, 3, 4]),
        ([5, 500, 5], 10, None, [2, 1]),
        ([1], 1, None, [1]),
    ],
)
def test_pieces_are_about_equally_large(
    sizes: list[int], most: int, rows: int | None, pieces: list[int]
) -> None:
    found = list(cut(np.array(sizes), most, rows))
    assert [stop - start for start, stop in found] == pieces
    assert [n for start, stop in found for n in range(start, stop)] == list(range(len(sizes)))


def test_the_largest_pieces_are_halved_until_there_is_one_for_each_process() -> None:
    dice = np.random.default_rng(0)
    for rows, count in [(24, 8), (200, 64), (9, 9), (5, 1)]:
        sizes = dice.lognormal(12, 1, rows).astype(np.int64)
        most = max(1, int(sizes.sum()) // count)
        pieces = [
            Piece(number, first + start, first + stop)
            for number, (first, last) in enumerate([(0, rows // 3), (rows // 3, rows)])
            for start, stop in cut(sizes[first:last], most)
        ]
        found = at_least(pieces, sizes, count)
        assert len(found) >= count
        assert [n for p in found for n in range(p.start, p.stop)] == list(range(rows))
        assert all((p.stop <= rows // 3) == (p.collection == 0) for p in found)
        assert min(p.stop - p.start for p in found) > 0
    assert at_least([Piece(0, 0, 8), Piece(0, 8, 9)], np.ones(9, np.int64), 3) == [
        Piece(0, 0, 4),
        Piece(0, 4, 8),
        Piece(0, 8, 9),
    ]


def test_ids_are_found_among_others() -> None:
    known = ids_of(50)
    ids = Ids(pa.array(known[::2]))
    assert ids.places(pa.array(known)).tolist() == [n // 2 if n % 2 == 0 else -1 for n in range(50)]
    assert ids.places(pa.array(known).slice(10, 3)).tolist() == [5, -1, 6]
    assert ids.places(pa.array(known[::2][::-1])).tolist() == list(range(25))[::-1]
    alike = Ids(pa.array(["a" * 8 + end * 8 for end in "bdf"]))
    assert alike.places(pa.array(["a" * 8 + end * 8 for end in "bbcdfa"])).tolist() == [
        0, 0, -1, 1, 2, -1
    ]  # fmt: skip
    right, wrong = np.arange(25, dtype=np.int32), np.arange(25, dtype=np.int32)[::-1]
    assert ids.places(pa.array(known[::2]), right) is right
    assert ids.places(pa.array(known[::2]), wrong).tolist() == right.tolist()
    assert ids.places(pa.array(known[1::2]), right).tolist() == [-1] * 25
    assert ids.places(pa.array(known[:2]), right).tolist() == [0, -1]
    odd = Ids(pa.array(["", "a", "aé", "b"]))
    assert odd.places(pa.array(["aé", "zz", "b", "a", ""])).tolist() == [2, -1, 3, 1, 0]
    assert Ids(pa.array([], pa.string())).places(pa.array(["a"])).tolist() == [-1]
    assert ids.places(pa.array([], pa.string())).tolist() == []


def answer(**columns: object) -> pa.Table:
    return pa.table({"collection": ["c", "b", "c"], "image_id": ["2", "2", "1"], **columns})


def test_an_answer_is_put_in_order() -> None:
    index = index_of(answer(**{"class": ["x", "y", "x"]}), "class")
    assert index.rows.to_pylist() == [
        {"collection": "b", "image_id": "2", "class": "y"},
        {"collection": "c", "image_id": "1", "class": "x"},
        {"collection": "c", "image_id": "2", "class": "x"},
    ]
    assert index.classes == ("x", "y")
    several = index_of(answer(classes=[["x"], [], ["z", "x"]]), "classes")
    assert several.classes == ("x", "z")
    assert index_of(answer(), "none").classes == ()
    assert index_of(answer(**{"class": ["x", "y", "x"]}), "class", ["z", "y", "x"]).classes == (
        "z",
        "y",
        "x",
    )


@pytest.mark.parametrize(
    ("table", "classes", "error", "message"),
    [
        (answer(**{"class": ["x", None, "x"]}), None, InputError, "1 of 3 rows have no class"),
        (
            answer(**{"class": ["x", "y", "w"]}),
            ["x"],
            InputError,
            r"not in the class list: 'y' \(1×\)",
        ),
        (
            pa.table({"collection": ["c"] * 3, "image_id": ["1", "2", "1"], "class": ["x"] * 3}),
            None,
            InputError,
            r"more than once: c/1; a join",
        ),
        (
            pa.table({"collection": [], "image_id": [], "class": []}),
            None,
            NoData,
            "the query has no rows",
        ),
    ],
)
def test_an_answer_that_cannot_be_learned_from(
    table: pa.Table, classes: list[str] | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        index_of(table, "class", classes)


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        (["collection", "image", "class"], UnknownName, r"'image_id'.*Did you mean 'image'"),
        (["image_id", "class"], UnknownName, "'collection'"),
        (["collection", "image_id"], InputError, "nothing to learn.*no_target"),
        (["collection", "image_id", "class", "mask_id"], InputError, "class and mask_id"),
        (["collection", "image_id", "class", "class"], InputError, "class more than once"),
    ],
)
def test_a_query_that_is_of_no_use(
    columns: list[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        target_of(columns)


def test_the_target_is_seen() -> None:
    for column, target in (("class", "class"), ("classes", "classes"), ("mask_id", "mask")):
        assert target_of(["collection", "image_id", "pixels", column]) == target
    assert target_of(["collection", "image_id"], no_target=True) == "none"
