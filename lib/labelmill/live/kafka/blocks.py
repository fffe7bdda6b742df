"""Assembles labelled messages into batches."""

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
from labelmill.feed.maps.base import ArrayMap, RowArrays
from labelmill.feed.maps.elements import mixed_error, stack
from labelmill.feed.order.counter_rng import Draws
from labelmill.live.kafka.offsets import StreamProgress
from labelmill.read_ahead import read_ahead

T = TypeVar("T")


@dataclass(frozen=True)
class LabelledMessage:
    """A good message.

    Attributes:
        read: Its position in the topic.
        pixels: ``(H, W, C)``.
        label: Class index.
    """

    read: Read
    pixels: npt.NDArray[Any]
    label: int


class LabelledStream(Protocol):
    """A stream of labelled messages; see `labelmill.live.kafka.batches.StreamBatches`."""

    topic: str
    topic_id: str
    classes: list[str]
    bad: Counter[str]
    samples: list[str]
    start: Offsets
    end: Offsets | None

    def messages(
        self, start: Offsets, count_bad: bool = True
    ) -> Iterator[LabelledMessage | Read | None]:
        """Good messages, the position of bad ones, None while none arrives."""

    def named(self, one: Read) -> str:
        """How error messages name a message."""


class StreamBlocks:
    """Batches of a stream, each a block of its own.

    Args:
        stream: Source of the messages.
        feeding: Batch size and other options.
        maps: Functions that each batch passes through, in order.
    """

    def __init__(self, stream: LabelledStream, feeding: Feeding, maps: Sequence[ArrayMap]) -> None:
        self._stream, self._feeding, self._maps = stream, feeding, maps
        identity = {
            "topic": stream.topic,
            "topic_id": stream.topic_id,
            "classes": stream.classes,
        }
        self.progress = StreamProgress(identity, stream.start, stream.end is None)
        self._shape: tuple[Any, ...] | None = None

    def counting(self, taken: Callable[[], int]) -> StreamProgress:
        """The progress of the stream.

        Args:
            taken: Returns how many batches the consumer has taken.
        """
        self.progress.taken = taken
        return self.progress

    def one(self, row: int = 0) -> RowArrays:
        """The first good message, after the maps; waits for it.

        Raises:
            NoData: There are no good messages.
        """
        for one in self._stream.messages(self.progress.offsets, count_bad=False):
            if isinstance(one, LabelledMessage):
                return self._mapped([one])
        raise self._no_messages()

    def ahead(
        self, start: Offsets, end: int | None, batches: int, change: Callable[[Block], T]
    ) -> Iterator[T]:
        """Batches from some offsets on, made ahead by a thread.

        Args:
            start: First offset of each partition.
            end: Not used: a stream ends at its offsets.
            batches: Number of batches to make ahead; 0: none.
            change: Applied to each batch by the thread.
        """
        stop = threading.Event()
        blocks = map(change, self.from_(start, stop))
        try:
            yield from read_ahead(blocks, batches) if batches else blocks
        finally:
            # The thread may be waiting for a message that never comes.
            stop.set()

    def from_(self, start: Offsets, stop: threading.Event) -> Iterator[Block]:
        """Batches from some offsets on.

        Args:
            start: First offset of each partition.
            stop: Set when the consumer wants no more.

        Raises:
            InputError: A label that is not in the class list; images of different shapes.
            NoData: There are no good messages, or fewer than one batch.
            BusError: Kafka refused.
            BusUnreachable: Existing messages did not arrive in time.
        """
        offsets, count = dict(start), 0
        held: list[LabelledMessage] = []
        size = self._feeding.batch
        for one in self._stream.messages(offsets):
            if one is None:
                if stop.is_set():
                    return
                continue
            read = one.read if isinstance(one, LabelledMessage) else one
            offsets[read.partition] = read.offset + 1
            if isinstance(one, LabelledMessage):
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
                raise self._no_messages()
            raise NoData(
                f"{self._stream.topic}: {len(held):,} labelled messages are fewer than one "
                f"batch of {size}, and drop_remainder is set"
            )

    def _mapped(self, messages: Sequence[LabelledMessage]) -> RowArrays:
        stream = self._stream
        partitions = max(stream.start) + 1
        positions = [m.read.offset * partitions + m.read.partition for m in messages]
        draws = Draws(self._feeding.seed, 0, np.array(positions, np.uint64))
        images = stack([m.pixels for m in messages])
        labels = np.array([m.label for m in messages], np.int64)
        rows = RowArrays(images, labels, False, draws)
        for number, change in enumerate(self._maps):
            rows = change(RowArrays(rows.inputs, rows.targets, False, draws.map(number)))
        self._require_same_shape(rows, messages)
        return rows

    def _require_same_shape(self, rows: RowArrays, messages: Sequence[LabelledMessage]) -> None:
        if isinstance(rows.inputs, dict):
            return
        if not isinstance(rows.inputs, list):
            shape = (rows.inputs.shape[1:], rows.inputs.dtype)
            self._shape = self._shape or shape
            if shape == self._shape:
                return
        expected = self._shape[0] if self._shape else rows.inputs[0].shape
        odd = next(
            m for m, i in zip(messages, rows.inputs, strict=False)
            if i.shape != expected or (self._shape and i.dtype != self._shape[1])
        )  # fmt: skip
        raise mixed_error(
            f"{odd.pixels.shape} {odd.pixels.dtype} ({self._stream.named(odd.read)}) and {expected}"
        )

    def _no_messages(self) -> NoData:
        stream = self._stream
        bad = ", ".join(f"{reason} {count}×" for reason, count in stream.bad.most_common())
        return NoData(
            f"{stream.topic} has no labelled messages between offsets {stream.start} and {stream.end}"
            f"{f'; left out: {bad} (for example {stream.samples[0]})' if bad else ''}"
        )
