"""Labelled messages put together to batches."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from labelmill.bus.reader import Offsets, Read
from labelmill.errors import NoData
from labelmill.feed.batches.blocks import Block
from labelmill.feed.batches.options import Feeding
from labelmill.feed.maps.base import ArrayMap, Rows
from labelmill.feed.maps.elements import mixed, stacked
from labelmill.feed.order.counter_rng import Draws
from labelmill.live.kafka.offsets import StreamProgress
from labelmill.read_ahead import read_ahead

T = TypeVar("T")


@dataclass(frozen=True)
class Labelled:
    """One good message."""

    read: Read
    pixels: npt.NDArray[Any]
    label: int


class Labelling(Protocol):
    """A stream of labelled messages; see `labelmill.live.kafka.batches.StreamBatches`."""

    topic: str
    classes: list[str]
    bad: Counter[str]
    samples: list[str]
    start: Offsets
    end: Offsets | None

    def good(self, start: Offsets, told: bool = True) -> Iterator[Labelled | Read | None]:
        """Good messages, the place of others, None while nothing comes."""

    def named(self, one: Read) -> str:
        """What an error calls a message."""


class StreamBlocks:
    """Batches of a stream, each a block of its own.

    Args:
        stream: Where messages come from.
        feeding: How they are fed.
        maps: What happens to them.
    """

    def __init__(self, stream: Labelling, feeding: Feeding, maps: Sequence[ArrayMap]) -> None:
        self._stream, self._feeding, self._maps = stream, feeding, maps
        identity = {"topic": stream.topic, "classes": stream.classes}
        self.progress = StreamProgress(identity, stream.start, stream.end is None)
        self._shape: tuple[Any, ...] | None = None

    def counting(self, taken: Callable[[], int]) -> StreamProgress:
        """The progress, once it is known where batches are counted."""
        self.progress.taken = taken
        return self.progress

    def one(self, row: int = 0) -> Rows:
        """The first good message after the maps; waits for one.

        Raises:
            NoData: There is none.
        """
        for one in self._stream.good(self.progress.offsets, told=False):
            if isinstance(one, Labelled):
                return self._mapped([one])
        raise self._nothing()

    def ahead(
        self, start: Offsets, end: int | None, batches: int, change: Callable[[Block], T]
    ) -> Iterator[T]:
        """`from_`, changed, with that many batches made ahead."""
        stop = threading.Event()
        blocks = map(change, self.from_(start, stop))
        try:
            yield from read_ahead(blocks, batches) if batches else blocks
        finally:
            # Whoever reads ahead may be waiting for a message that never comes.
            stop.set()

    def from_(self, start: Offsets, stop: threading.Event) -> Iterator[Block]:
        """Batches from some offsets on.

        Args:
            start: First offset of each partition.
            stop: Set when nobody wants more.

        Raises:
            InputError: A label that is not in the class list; shapes that do not agree.
            NoData: There are no good messages at all, or not one batch of them.
            BusError: Kafka refused.
            BusUnreachable: Messages that are there did not arrive in time.
        """
        offsets, count = dict(start), 0
        held: list[Labelled] = []
        size = self._feeding.batch
        for one in self._stream.good(offsets):
            if one is None:
                if stop.is_set():
                    return
                continue
            place = one.read if isinstance(one, Labelled) else one
            offsets[place.partition] = place.offset + 1
            if isinstance(one, Labelled):
                held.append(one)
            if len(held) == size:
                count += 1
                self.progress.mark(offsets)
                yield Block(self._mapped(held), size, 1)
                held = []
        if held and not self._feeding.drop_remainder:
            count += 1
            self.progress.mark(offsets)
            yield Block(self._mapped(held), len(held), 1)
        self.progress.end(offsets)
        if not count and start == self.progress.origin:
            if not held:
                raise self._nothing()
            raise NoData(
                f"{self._stream.topic}: {len(held):,} labelled messages are no batch of {size} with "
                "drop_remainder"
            )

    def _mapped(self, messages: Sequence[Labelled]) -> Rows:
        stream = self._stream
        partitions = max(stream.start) + 1
        places = [m.read.offset * partitions + m.read.partition for m in messages]
        draws = Draws(self._feeding.seed, 0, np.array(places, np.uint64))
        images = stacked([m.pixels for m in messages])
        labels = np.array([m.label for m in messages], np.int64)
        made = Rows(images, labels, False, draws)
        for number, change in enumerate(self._maps):
            made = change(Rows(made.inputs, made.targets, False, draws.map(number)))
        self._agree(made, messages)
        return made

    def _agree(self, made: Rows, messages: Sequence[Labelled]) -> None:
        if isinstance(made.inputs, dict):
            return
        if not isinstance(made.inputs, list):
            shape = (made.inputs.shape[1:], made.inputs.dtype)
            self._shape = self._shape or shape
            if shape == self._shape:
                return
        expected = self._shape[0] if self._shape else made.inputs[0].shape
        odd = next(
            m for m, i in zip(messages, made.inputs, strict=False)
            if i.shape != expected or (self._shape and i.dtype != self._shape[1])
        )  # fmt: skip
        raise mixed(
            f"{odd.pixels.shape} {odd.pixels.dtype} ({self._stream.named(odd.read)}) and {expected}"
        )

    def _nothing(self) -> NoData:
        stream = self._stream
        bad = ", ".join(f"{reason} {count}×" for reason, count in stream.bad.most_common())
        return NoData(
            f"{stream.topic} holds no labelled messages between offsets {stream.start} and {stream.end}"
            f"{f'; left out: {bad} (for example {stream.samples[0]})' if bad else ''}"
        )
