"""The order of a plan's rows: every row once per epoch, shuffled within windows, resumable anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from labelmill.feed.batches.blocks import Blocks
from labelmill.feed.batches.state import Position
from labelmill.live.kudu.plan import Unit
from labelmill.live.kudu.window_order import Expected, WindowOrder
from tests.helpers.plans import EACH, ROWS, epoch_of, order_of, plan_of


def test_each_row_comes_once_an_epoch_and_each_epoch_in_another_order() -> None:
    order = order_of(plan_of())
    epochs = [epoch_of(order, epoch) for epoch in range(3)]
    assert all(sorted(rows) == list(range(ROWS)) for rows in epochs)
    assert len({tuple(rows) for rows in epochs}) == 3
    assert epochs == [epoch_of(order_of(plan_of()), epoch, batch=500) for epoch in range(3)]
    assert epochs[0] != epoch_of(order_of(plan_of(), seed=2), 0)
    assert epoch_of(order_of(plan_of(), shuffle=False), 1) == list(range(ROWS))


def test_rows_are_shuffled_within_windows_of_bounded_size() -> None:
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


def test_windows_continue_from_a_position_to_the_end_of_the_pass() -> None:
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
    expected: list[Expected] = []
    order = WindowOrder(
        ROWS, 1, True, plan=plan_of(), size=300 * EACH, on_rows=expected.append
    )  # fmt: skip
    blocks = Blocks(Rowless(), order, 16, False, [])
    assert blocks.most > 300 // 16
    expected.clear()
    given = [row for block in blocks.from_(Position(0, 0), 1) for row in block.rows.inputs.tolist()]
    assert given == epoch_of(order_of(plan_of()), 0)
    ends = [window.end for window in order.windows(0)]
    several = [one for one in expected if one.stop - one.start > 16]
    assert len(several) > len(ends)
    assert not [one for one in several for end in ends if one.start < end < one.stop]


def test_a_batch_does_not_look_at_all_units() -> None:
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


def test_a_reader_hears_of_a_request_before_its_rows_are_computed() -> None:
    heard: list[object] = []
    order = WindowOrder(
        ROWS, 1, True, plan=plan_of(), size=300 * EACH,
        on_rows=lambda expected: heard.append(expected[:3]),
        on_request=lambda epoch, start: heard.append((epoch, start)),
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


def test_the_windows_of_recent_epochs_are_cached() -> None:
    order = order_of(plan_of())
    recent = [order.windows(epoch) for epoch in range(4)]
    assert all(order.windows(epoch) is recent[epoch] for epoch in range(4))
    order.windows(4)
    assert order.windows(1) is recent[1]
    assert order.windows(0) is not recent[0]
    assert order.windows(0) == recent[0]


def test_windows_without_shuffle_are_the_same_in_every_epoch() -> None:
    order = order_of(plan_of(), shuffle=False)
    assert order.windows(0) is order.windows(7)
    assert [window.positions.tolist() for window in order.windows(0)][:1] == [list(range(270))]
