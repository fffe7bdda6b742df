"""Batches of labelled messages from Kafka, finite by offsets or without end.

What is fed and how: docs/guides/live_batches.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labelmill.bus.envelope import decode
from labelmill.bus.payload import pixels_of
from labelmill.bus.reader import Offsets, Read, bounds, read
from labelmill.errors import EnvelopeError, ImageError, InputError
from labelmill.feed.batches.blocks import Block
from labelmill.feed.batches.options import Feeding, Map, in_numpy, in_tensorflow
from labelmill.feed.batches.state import Resumable
from labelmill.feed.maps.base import ArrayMap
from labelmill.live.kafka.blocks import Labelled, StreamBlocks
from labelmill.settings import Settings

SAMPLES = 5
"""Bad messages that are remembered with what is wrong with them."""


class StreamBatches:
    """Labelled messages of a topic, as envelopes (docs/reference/formats.md) with a ``class``.

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
        from labelmill.feed.tf.dataset import resumable
        from labelmill.feed.tf.resumable_dataset import UNKNOWN

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


class StreamNumpy(Resumable):
    """Iterated once: a pass from where the last one ended, or a state was restored.

    Args:
        blocks: Where batches come from.
        prefetch: Batches made ahead.
    """

    def __init__(self, blocks: StreamBlocks, prefetch: int) -> None:
        self._blocks, self._prefetch, self._taken = blocks, prefetch, 0
        self._progress = blocks.counting(lambda: self._taken)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Pairs (images, class indices)."""
        start = self._progress.begin()
        for batch in self._blocks.ahead(start, None, self._prefetch, _only_batch):
            self._taken += 1
            yield batch


def _only_batch(block: Block) -> Any:
    return block.rows.element()
