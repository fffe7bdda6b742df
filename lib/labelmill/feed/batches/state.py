"""The state of a training run's input: how far batches were read, as a small dict for JSON.

A state says which batches it belongs to (data, order, batch size, shard) and which batch comes next.
Maps are not in it: augmentation may be changed in mid-training, the order may not.
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

    Example:
        >>> Position(epoch=0, batch=6).after(batches=10, per_epoch=8)
        Position(epoch=2, batch=0)
    """

    epoch: int
    batch: int

    def after(self, batches: int, per_epoch: int) -> Position:
        """The position that many batches later."""
        epochs, batch = divmod(self.batch + batches, per_epoch)
        return Position(self.epoch + epochs, batch)


def state_of(identity: Mapping[str, Any], position: Position) -> dict[str, Any]:
    """The state: format, epoch, batch, and what identifies the batches.

    Example:
        >>> state_of({"seed": 7}, Position(1, 3))
        {'format': 1, 'epoch': 1, 'batch': 3, 'seed': 7}
    """
    return {"format": FORMAT, **position._asdict(), **identity}


def position_of(state: Mapping[str, Any], identity: Mapping[str, Any], per_epoch: int) -> Position:
    """The position in a state that `state_of` made, possibly by way of JSON.

    Args:
        state: The dict.
        identity: Of the batches to continue.
        per_epoch: Their batches per epoch.

    Raises:
        InputError: Not a state, or one of other batches or of another format.

    Example:
        >>> position_of({"format": 1, "epoch": 1, "batch": 3, "seed": 7}, {"seed": 7}, per_epoch=8)
        Position(epoch=1, batch=3)
    """
    if not isinstance(state, Mapping) or state.get("format") != FORMAT:
        raise InputError(
            f"expected a state of format {FORMAT} as state() returns it, received {str(state)[:120]!r}"
        )
    differing = [
        f"{name} {state.get(name)!r}, here {value!r}"
        for name, value in identity.items()
        if state.get(name) != value
    ]
    if differing:
        raise InputError(
            f"the state belongs to other batches: {'; '.join(differing)}. Restore it with the training set, "
            "split, batch size, seed, order and shard that it was saved with"
        )
    position = Position(*(state.get(name) for name in Position._fields))  # type: ignore[arg-type]
    if not all(type(n) is int and n >= 0 for n in position) or position.batch >= per_epoch:
        raise InputError(
            f"a state with epoch {position.epoch!r} and batch {position.batch!r}; expected whole numbers, "
            f"batches from 0 to {per_epoch - 1}"
        )
    return position


class Passes(Protocol):
    """The passes over some batches, as `Progress` implements it."""

    def begin(self) -> Any:
        """Begins a pass; returns where."""

    def last_epoch(self) -> Any:
        """Where the pass ends."""

    def state(self) -> dict[str, Any]:
        """How far the pass was read."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Makes the next pass begin where a state was saved."""


class Resumable:
    """Batches that know how far they were read."""

    _progress: Passes

    def state(self) -> dict[str, Any]:
        """How far batches were read, for JSON."""
        return self._progress.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Makes the next pass begin where the state was saved.

        Raises:
            InputError: A state of other data, seed, order, batch size or shard; of a stream, of
                another topic or other classes.
        """
        self._progress.restore(state)


class Progress:
    """Where a pass began, and how far it was read.

    One iteration is one pass. It begins where the last state was restored, else with the epoch after
    those of the last pass, even if that was not read to its end. But a look at the first batch is no
    pass: after reading one batch, a new iteration gets the same batches (Keras reads one to build a
    model).

    Args:
        identity: Identifies the batches; stored in states.
        per_epoch: Batches per epoch, ≥ 1.
        epochs: Of a pass; None: unbounded.
        read: Number of batches read so far, over all passes.

    Example:
        >>> read = 0
        >>> progress = Progress({"seed": 7}, per_epoch=8, epochs=1, read=lambda: read)
        >>> progress.begin()
        Position(epoch=0, batch=0)
        >>> read = 5
        >>> progress.state()
        {'format': 1, 'epoch': 0, 'batch': 5, 'seed': 7}
    """

    def __init__(
        self,
        identity: Mapping[str, Any],
        per_epoch: int,
        epochs: int | None,
        read: Callable[[], int],
    ) -> None:
        self._identity, self._per_epoch, self._epochs = dict(identity), per_epoch, epochs
        self._read = read
        self._start, self._before, self._begun = Position(0, 0), 0, False

    def begin(self) -> Position:
        """Begins a pass; returns its first batch."""
        done = self._read() - self._before
        if self._begun and (done > 1 or done >= self._length()):
            now = self._start.after(done, self._per_epoch)
            self._start = Position(
                now.epoch + (now.batch > 0) if self._epochs is None else self._end(), 0
            )
        self._before, self._begun = self._read(), True
        return self._start

    def last_epoch(self) -> int | None:
        """The epoch that the pass ends before; None: unbounded."""
        return None if self._epochs is None else self._end()

    def state(self) -> dict[str, Any]:
        """How far the pass was read."""
        done = self._read() - self._before
        return state_of(self._identity, self._start.after(done, self._per_epoch))

    def restore(self, state: Mapping[str, Any]) -> None:
        """Makes the next pass begin where a state was saved.

        Raises:
            InputError: A state of other batches.
        """
        self._start = position_of(state, self._identity, self._per_epoch)
        self._before, self._begun = self._read(), False

    def _end(self) -> int:
        # Passes of n epochs end at multiples of n, so a pass that is resumed ends where it would have.
        assert self._epochs is not None
        return (self._start.epoch // self._epochs + 1) * self._epochs

    def _length(self) -> float:
        if self._epochs is None:
            return math.inf
        return (self._end() - self._start.epoch) * self._per_epoch - self._start.batch
