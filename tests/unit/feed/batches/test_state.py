"""The state of batches: how far an epoch was consumed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labelmill.errors import InputError
from labelmill.feed.batches.state import Position, Progress, position_of, state_of

IDENTITY = {"digest": "d" * 64, "seed": 3, "batch_size": 8, "shard": [0, 1]}


class Reader:
    """Takes batches of a `Progress` whose epochs have ten."""

    def __init__(self, epochs: int | None = 1) -> None:
        self.taken = 0
        self.progress = Progress(IDENTITY, 10, epochs, lambda: self.taken)

    def iterate(self, batches: int) -> Position:
        start = self.progress.begin()
        self.taken += batches
        return start


def test_a_state_comes_through_json() -> None:
    state = json.loads(json.dumps(state_of(IDENTITY, Position(2, 9))))
    assert position_of(state, IDENTITY, 10) == Position(2, 9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 4}, "the state belongs to other batches: seed 4, here 3"),
        ({"digest": "e"}, "to other batches: digest 'e'"),
        ({"shard": [1, 2]}, r"shard \[1, 2\], here \[0, 1\]"),
        ({"format": 9}, "expected a state of format 1"),
        ({"epoch": -1}, "expected whole numbers"),
        ({"epoch": "1"}, "epoch '1'"),
    ],
)
def test_a_state_of_something_else_is_refused(change: dict[str, Any], message: str) -> None:
    state = state_of(IDENTITY, Position(0, 3)) | change
    with pytest.raises(InputError, match=message):
        position_of(state, IDENTITY, 10)
    with pytest.raises(InputError, match="received 'nonsense'"):
        position_of("nonsense", IDENTITY, 10)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="batches from 0 to 2"):
        position_of(state_of(IDENTITY, Position(0, 3)), IDENTITY, 3)


def test_every_iteration_is_the_next_epoch() -> None:
    reader = Reader()
    assert [reader.iterate(10).epoch for _ in range(3)] == [0, 1, 2]
    assert Position(*(reader.progress.state()[n] for n in ("epoch", "batch"))) == Position(3, 0)


def test_what_is_broken_off_is_not_begun_again_but_a_look_is() -> None:
    reader = Reader()
    reader.iterate(1)
    assert reader.iterate(4) == Position(0, 0), "one batch was a look"
    assert reader.iterate(10) == Position(1, 0), "four were not"


def test_a_restored_pass_continues_and_the_next_is_whole() -> None:
    before = Reader()
    before.iterate(10)
    before.iterate(7)
    state = before.progress.state()
    after = Reader()
    after.progress.restore(state)
    assert after.progress.state() == state
    after.iterate(1)
    assert after.iterate(3) == Position(1, 7), "also after a look"
    assert after.iterate(10) == Position(2, 0)


def test_passes_of_several_epochs_end_where_they_would_have() -> None:
    reader = Reader(epochs=3)
    assert reader.iterate(30) == Position(0, 0)
    assert reader.iterate(14) == Position(3, 0)
    state = reader.progress.state()
    assert (state["epoch"], state["batch"]) == (4, 4)
    again = Reader(epochs=3)
    again.progress.restore(state)
    assert again.iterate(16) == Position(4, 4)
    assert again.progress.last_epoch() == 6
    assert again.iterate(0) == Position(6, 0)


def test_an_unbounded_pass_continues_with_the_next_epoch() -> None:
    reader = Reader(epochs=None)
    reader.iterate(25)
    assert reader.progress.last_epoch() is None
    assert reader.iterate(2) == Position(3, 0)
