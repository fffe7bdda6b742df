"""How far a stream has been consumed: the next offset of each partition."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from labelmill.errors import InputError

FORMAT = 1


class StreamProgress:
    """Where a pass began, and where it is.

    A stream with an end is read from its start in each pass; an endless one continues where it was. To
    take only the first batch is not a pass (Keras does it to build a model): the next pass begins at
    the same offsets. One thread may read ahead while another takes batches and asks for states.

    Args:
        identity: What the messages are; becomes part of states.
        origin: Partition → first offset.
        endless: The stream has no end.

    Attributes:
        taken: Returns how many batches the consumer has taken in all passes.
    """

    def __init__(
        self, identity: Mapping[str, Any], origin: Mapping[int, int], endless: bool
    ) -> None:
        self._identity, self._endless = dict(identity), endless
        self.origin = dict(origin)
        self.taken: Callable[[], int] = lambda: 0
        self._start = dict(origin)
        self._before, self._ended = 0, False
        # Next offsets after each batch of this pass; the first entry is of batch number `_from`.
        self._marks: deque[dict[int, int]] = deque()
        self._from = 0
        # The reading thread adds marks while the consumer looks one up.
        self._lock = threading.Lock()

    @property
    def offsets(self) -> dict[int, int]:
        """Offsets at which the pass began, or the first one will begin."""
        return dict(self._start)

    def begin(self) -> dict[int, int]:
        """Begins a pass and returns its first offsets."""
        with self._lock:
            if self._done() > 1 or self._ended:
                self._start = self._now() if self._endless else dict(self.origin)
            self._reset()
            return self.offsets

    def last_epoch(self) -> None:
        """Streams have no epochs."""

    def mark(self, offsets: Mapping[int, int]) -> None:
        """Records that a batch was read, and the offsets after it."""
        with self._lock:
            while self._marks and self._from < self._done() - 1:
                self._marks.popleft()
                self._from += 1
            self._marks.append(dict(offsets))

    def end(self, offsets: Mapping[int, int]) -> None:
        """Records that everything was read, and the offsets after messages behind the last batch."""
        with self._lock:
            self._ended = True
            if self._marks:
                self._marks[-1] = dict(offsets)

    def state(self) -> dict[str, Any]:
        """Where the pass is, as JSON-compatible data."""
        with self._lock:
            now = self._now()
        offsets = {str(partition): offset for partition, offset in sorted(now.items())}
        return {"format": FORMAT, **self._identity, "offsets": offsets}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Makes the next pass begin where a state was taken.

        Raises:
            InputError: The state is of another topic or of other classes, or is not a state.
        """
        if not isinstance(state, Mapping) or state.get("format") != FORMAT:
            raise InputError(
                f"expected a state of format {FORMAT}, as state() returns it, received {str(state)[:120]!r}"
            )
        differing = [
            f"{name} {state.get(name)!r}, here {value!r}"
            for name, value in self._identity.items()
            # States of earlier releases name no id.
            if state.get(name, value if name == "topic_id" else None) != value
        ]
        if differing:
            raise InputError(f"the state belongs to another stream: {'; '.join(differing)}")
        given = state.get("offsets")
        try:
            offsets = {
                int(partition): int(offset) for partition, offset in dict(given or {}).items()
            }
        except (TypeError, ValueError):
            offsets = {}
        if set(offsets) != set(self.origin):
            raise InputError(
                f"a state with offsets {given!r}; expected one for each of partitions {sorted(self.origin)}"
            )
        with self._lock:
            self._start = offsets
            self._reset()

    def _reset(self) -> None:
        self._before, self._from, self._ended = self.taken(), 0, False
        self._marks.clear()

    def _done(self) -> int:
        return self.taken() - self._before

    def _now(self) -> dict[int, int]:
        done = self._done()
        return dict(self._marks[done - 1 - self._from]) if done else dict(self._start)
