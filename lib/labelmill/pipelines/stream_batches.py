"""Batches of labelled messages from Kafka, finite by offsets or without end.

What is fed and how: docs/live_batches.md.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelmill.bus.envelope import decode
from labelmill.bus.payload import pixels_of
from labelmill.bus.reader import Offsets, Read, bounds, read
from labelmill.errors import EnvelopeError, ImageError, InputError, NoData
from labelmill.feed.blocks import Block, mixed
from labelmill.feed.draws import Draws
from labelmill.feed.feeding import Feeding, Map, in_numpy, in_tensorflow
from labelmill.feed.maps import ArrayMap, Rows, stacked
from labelmill.pipelines.stream_state import StreamProgress
from labelmill.read_ahead import read_ahead
from labelmill.settings import Settings

SAMPLES = 5
"""Bad messages that are remembered with what is wrong with them."""


@dataclass(frozen=True)
class Labelled:
    """One good message."""

    read: Read
    pixels: npt.NDArray[Any]
    label: int


class StreamBatches:
    """Labelled messages of a topic, as envelopes (docs/formats.md) with a ``class``.

    Args:
        topic: An existing topic.
        settings: Where Kafka is; the cap on pixels; how long it may take to answer.
        classes: Their order; class indices are places in it.
        start: Partition → first offset; where none is given, the first that is there.
        end: Partition → the offset after the last; where none is given, after what is there now.
        endless: Go on with what arrives; then there is no `end`.

    Attributes:
        bad: Reason → messages that were left out, as far as was read: ``no_class``, and the reasons
            of `EnvelopeError` and `ImageError`.
        samples: The first of them: where, and what is wrong.

    Raises:
        UnknownTopic: The topic does not exist.
        InputError: Classes that are none or there twice; a partition that is not there; offsets
            beyond the topic's ends; an end of what is endless.
        BusError: Messages from `start` on are no longer there.
        BusUnreachable: No broker answered.
    """

    def __init__(
        self,
        topic: str,
        settings: Settings,
        classes: Sequence[str],
        *,
        start: Mapping[int, int] | None = None,
        end: Mapping[int, int] | None = None,
        endless: bool = False,
    ) -> None:
        if isinstance(classes, str) or not classes or len(set(classes)) < len(classes):
            raise InputError(f"classes {classes!r}; expected a list of different names")
        if endless and end is not None:
            raise InputError("an endless stream has no end; give either end or endless=True")
        self.topic, self.classes = topic, list(classes)
        self.bad: Counter[str] = Counter()
        self.samples: list[str] = []
        self._index = {name: number for number, name in enumerate(self.classes)}
        self._settings = settings
        self._brokers, self._timeout = settings.brokers(), settings.timeout_seconds
        self.start, last = bounds(self._brokers, topic, start, end, self._timeout)
        self.end = None if endless else last

    def numpy(
        self,
        batch: int,
        *,
        seed: int = 0,
        map: Map | Sequence[Map] | None = None,
        drop_remainder: bool = False,
        prefetch: int = 2,
    ) -> StreamNumpy:
        """Batches as numpy arrays: images ``(N, H, W, C)`` and class indices ``(N,)`` int64.

        Args:
            batch: Messages a batch; the last has fewer.
            seed: Of augmentation, which follows from it and the message's place in the topic.
            map: One function or several, in order; see `TrainingSet.tf`.
            drop_remainder: Leave out the last batch when it is not full.
            prefetch: Batches made ahead; 0: none.

        Raises:
            InputError: An argument that cannot be meant.
        """
        feeding = Feeding(
            batch, seed=seed, map=map, drop_remainder=drop_remainder, prefetch=prefetch
        )
        return StreamNumpy(self._blocks(feeding, in_numpy(feeding.maps)), prefetch)

    def tf(
        self,
        batch: int,
        *,
        seed: int = 0,
        map: Map | Sequence[Map] | None = None,
        drop_remainder: bool = False,
        prefetch: int = 2,
    ) -> Any:
        """The same as a ``tf.data.Dataset`` that also has ``state()`` and ``restore(state)``.

        It looks at the first good message, to learn what shape images have, and waits for one.
        """
        from labelmill.feed.tensors import UNKNOWN, resumable

        feeding = Feeding(
            batch, seed=seed, map=map, drop_remainder=drop_remainder, prefetch=prefetch
        )
        on_arrays, functions = in_tensorflow(feeding.maps)
        blocks = self._blocks(feeding, on_arrays)
        length = UNKNOWN if self.end else None
        return resumable(blocks, blocks.counting, feeding, functions, length)

    def _blocks(self, feeding: Feeding, maps: Sequence[ArrayMap]) -> StreamBlocks:
        return StreamBlocks(self, feeding, maps)

    def good(self, start: Offsets, told: bool = True) -> Iterator[Labelled | Read | None]:
        """Messages from some offsets on: good ones; the place of others; None while nothing comes.

        Args:
            start: First offset of each partition.
            told: Count bad ones.

        Raises:
            InputError: A label that is not in the class list.
            BusError: Kafka refused.
            BusUnreachable: Messages that are there did not arrive in time.
        """
        for one in read(self._brokers, self.topic, start, self.end, self._timeout):
            if one is None or not one.message:
                yield one
                continue
            try:
                yield self._labelled(one)
            except (EnvelopeError, ImageError) as error:
                if told:
                    self.bad[error.reason] += 1
                    if len(self.samples) < SAMPLES:
                        self.samples.append(f"{self.named(one)}: {error.reason}: {error}")
                yield one

    def named(self, one: Read) -> str:
        """What an error calls a message."""
        return f"{self.topic}[{one.partition}]@{one.offset}"

    def _labelled(self, one: Read) -> Labelled:
        envelope = decode(one.value)
        label = envelope.header.get("class")
        if not isinstance(label, str):
            raise EnvelopeError(
                "no_class", f"the header says class {label!r}; expected the class as text"
            )
        if label not in self._index:
            raise InputError(
                f"{self.named(one)} is labelled {label!r}, which is not in the class list "
                f"{', '.join(self.classes)}; give a list that has it"
            )
        return Labelled(one, pixels_of(envelope, self._settings.pixel_cap), self._index[label])


class StreamBlocks:
    """Batches of a stream, each a block of its own.

    Args:
        stream: Where messages come from.
        feeding: How they are fed.
        maps: What happens to them.
    """

    def __init__(self, stream: StreamBatches, feeding: Feeding, maps: Sequence[ArrayMap]) -> None:
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

    def ahead(self, start: Offsets, end: int | None, batches: int) -> Iterator[Block]:
        """`from_`, with that many batches made ahead."""
        stop = threading.Event()
        blocks = self.from_(start, stop)
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
            NoData: There are no good messages at all.
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
        if not count and not held and start == self.progress.origin:
            raise self._nothing()

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


class StreamNumpy:
    """Iterated once: a pass from where the last one ended, or a state was restored.

    Args:
        blocks: Where batches come from.
        prefetch: Batches made ahead.
    """

    def __init__(self, blocks: StreamBlocks, prefetch: int) -> None:
        self._blocks, self._prefetch, self._taken = blocks, prefetch, 0
        blocks.counting(lambda: self._taken)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Pairs (images, class indices)."""
        progress = self._blocks.progress
        for block in self._blocks.ahead(progress.begin(), None, self._prefetch):
            self._taken += 1
            yield block.rows.element()

    def state(self) -> dict[str, Any]:
        """Which message comes next in each partition; goes into JSON."""
        return self._blocks.progress.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Lets the next pass begin where the state was taken.

        Raises:
            InputError: A state of another topic or of other classes.
        """
        self._blocks.progress.restore(state)
