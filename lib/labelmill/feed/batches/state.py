"""How far batches were taken, as a small dict that goes into JSON.

A state says which batches it belongs to (data, order, batch size, shard) and which comes next. Maps
are not in it: an augmentation may be changed in mid-training, the order may not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from labelmill.errors import InputError

FORMAT = 1


class Position(NamedTuple):
    """The batch that comes next.

    Args:
        epoch: From 0.
        batch: Of the epoch, from 0.
    """

    epoch: int
    batch: int

    def after(self, batches: int, per_epoch: int) -> Position:
        """Where one is that many batches later."""
        epochs, batch = divmod(self.batch + batches, per_epoch)
        return Position(self.epoch + epochs, batch)


def state_of(identity: Mapping[str, Any], position: Position) -> dict[str, Any]:
    """The dict: format, epoch, batch, and what identifies the batches."""
    return {"format": FORMAT, **position._asdict(), **identity}


def position_of(state: Mapping[str, Any], identity: Mapping[str, Any], per_epoch: int) -> Position:
    """Reads what `state_of` gave, possibly by way of JSON.

    Args:
        state: The dict.
        identity: Of the batches that shall go on.
        per_epoch: Their batches an epoch.

    Raises:
        InputError: A state of other batches, of another format, or none at all.
    """
    if not isinstance(state, Mapping) or state.get("format") != FORMAT:
        raise InputError(
            f"expected a state of format {FORMAT} as state() gives it, received {str(state)[:120]!r}"
        )
    differing = [
        f"{name} {state.get(name)!r}, here {value!r}"
        for name, value in identity.items()
        if state.get(name) != value
    ]
    if differing:
        raise InputError(
            f"the state is of other batches: {'; '.join(differing)}. Restore it where training set, "
            "split, batch size, seed, order and shard are those it was taken with"
        )
    position = Position(*(state.get(name) for name in Position._fields))  # type: ignore[arg-type]
    if not all(type(n) is int and n >= 0 for n in position) or position.batch >= per_epoch:
        raise InputError(
            f"a state of epoch {position.epoch!r} and batch {position.batch!r}; expected whole numbers, "
            f"batches from 0 to {per_epoch - 1}"
        )
    return position


class Passes(Protocol):
    """How far batches were taken: `Progress`, or what does as it does."""

    def begin(self) -> Any:
        """Begins a pass; says where."""

    def last_epoch(self) -> Any:
        """Where the pass ends."""

    def state(self) -> dict[str, Any]:
        """Where the pass is."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Lets the next pass begin where a state was taken."""


class Resumable:
    """Batches that know how far they were taken."""

    _progress: Passes

    def state(self) -> dict[str, Any]:
        """How far batches were taken; goes into JSON."""
        return self._progress.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Lets the next pass begin where the state was taken.

        Raises:
            InputError: A state of other data, seed, order, batch size or shard; of a stream, of
                another topic or other classes.
        """
        self._progress.restore(state)


class Progress:
    """Where a pass began, and where it is.

    One iteration is one pass. It begins where the last state was restored, else with the epoch after
    the last pass's, also where that was broken off. But a look at the first batch is no pass: who takes
    one batch and iterates anew (Keras does, to build a model) gets the same batches.

    Args:
        identity: What the batches are; goes into states.
        per_epoch: Batches an epoch, ≥ 1.
        epochs: Of a pass; None: without end.
        taken: How many batches were taken since ever, asked for where they are taken.
    """

    def __init__(
        self,
        identity: Mapping[str, Any],
        per_epoch: int,
        epochs: int | None,
        taken: Callable[[], int],
    ) -> None:
        self._identity, self._per_epoch, self._epochs = dict(identity), per_epoch, epochs
        self._taken = taken
        self._start, self._before, self._begun = Position(0, 0), 0, False

    def begin(self) -> Position:
        """Begins a pass; says with which batch."""
        done = self._taken() - self._before
        if self._begun and (done > 1 or done >= self._length()):
            now = self._start.after(done, self._per_epoch)
            self._start = Position(
                now.epoch + (now.batch > 0) if self._epochs is None else self._end(), 0
            )
        self._before, self._begun = self._taken(), True
        return self._start

    def last_epoch(self) -> int | None:
        """The epoch that the pass ends before; None: it has no end."""
        return None if self._epochs is None else self._end()

    def state(self) -> dict[str, Any]:
        """Where the pass is."""
        done = self._taken() - self._before
        return state_of(self._identity, self._start.after(done, self._per_epoch))

    def restore(self, state: Mapping[str, Any]) -> None:
        """Lets the next pass begin where a state was taken.

        Raises:
            InputError: A state of other batches.
        """
        self._start = position_of(state, self._identity, self._per_epoch)
        self._before, self._begun = self._taken(), False

    def _end(self) -> int:
        # Passes of n epochs end at multiples of n, so a pass that is resumed ends where it would have.
        assert self._epochs is not None
        return (self._start.epoch // self._epochs + 1) * self._epochs

    def _length(self) -> float:
        if self._epochs is None:
            return math.inf
        return (self._end() - self._start.epoch) * self._per_epoch - self._start.batch
