"""Batches of labelled messages from Kafka: bounded by offsets, or endless.

How they work: docs/guides/live_batches.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labelmill.bus.envelope import decode
from labelmill.bus.payload import pixels_of
from labelmill.bus.reader import Offsets, Read, bounds, read
from labelmill.bus.topics import TopicIdentity
from labelmill.errors import EnvelopeError, ImageError, InputError
from labelmill.feed.batches.blocks import Block
from labelmill.feed.batches.options import Feeding, Map, in_numpy, in_tensorflow
from labelmill.feed.batches.state import Resumable
from labelmill.feed.maps.base import ArrayMap
from labelmill.live.kafka.blocks import LabelledMessage, StreamBlocks
from labelmill.settings import Settings

SAMPLES = 5
"""Number of bad messages that are kept as samples, with what is wrong with them."""


class StreamBatches:
    """Batches of the labelled messages of a topic: envelopes (docs/reference/formats.md) with a ``class``.

    Args:
        topic: An existing topic.
        settings: Address of Kafka, limit on pixels, timeout.
        classes: In the order of class indices.
        start: Partition → first offset; the topic's first for other partitions.
        end: Partition → offset after the last; for other partitions, the topic's end at this moment.
        endless: Continue with messages as they arrive; there is no `end` then.

    Attributes:
        bad: Reason → number of messages left out so far: ``no_class``, and the reasons of
            `EnvelopeError` and `ImageError`.
        samples: The first of them: position, and what is wrong.

    Raises:
        UnknownTopic: The topic does not exist.
        InputError: No classes or duplicate ones; an unknown partition; offsets outside the topic;
            an `end` for an endless stream.
        BusError: Messages from `start` on have been deleted.
        BusUnreachable: No broker answered.

    Example::

        import labelmill
        from labelmill import maps
        from labelmill.settings import load

        stream = labelmill.StreamBatches("labelled", load(), classes=["cat", "dog"])
        prepare = maps.prepared(["grey", {"resize": [64, 64]}])
        for images, classes in stream.numpy(64, map=prepare):
            images.shape, classes.shape  # (64, 64, 64, 1) float32, (64,) int64
        print(stream.bad)  # for example Counter({'no_class': 3})
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
        self.topic_id = TopicIdentity(self._brokers, topic, self._timeout).read()
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
            batch: Messages per batch; the last may have fewer.
            seed: Seed of augmentation, which depends on it and on the message's partition and offset.
            map: One function or several, in order; see `TrainingSet.tf`.
            drop_remainder: Leave out the last batch when it is not full.
            prefetch: Number of batches to make ahead; 0: none.

        Returns:
            An iterable that also has ``state()`` and ``restore(state)``.

        Raises:
            InputError: Invalid arguments.
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
        """The same batches as a ``tf.data.Dataset`` that also has ``state()`` and ``restore(state)``.

        Waits for the first good message, which determines the shape of images. Arguments and errors
        as for `numpy`.
        """
        from labelmill.feed.tf.dataset import make_resumable_dataset
        from labelmill.feed.tf.resumable_dataset import UNKNOWN

        feeding = Feeding(
            batch, seed=seed, map=map, drop_remainder=drop_remainder, prefetch=prefetch
        )
        on_arrays, functions = in_tensorflow(feeding.maps)
        blocks = self._blocks(feeding, on_arrays)
        length = UNKNOWN if self.end else None
        return make_resumable_dataset(blocks, blocks.counting, feeding, functions, length)

    def _blocks(self, feeding: Feeding, maps: Sequence[ArrayMap]) -> StreamBlocks:
        return StreamBlocks(self, feeding, maps)

    def messages(
        self, start: Offsets, count_bad: bool = True
    ) -> Iterator[LabelledMessage | Read | None]:
        """Messages from some offsets on: good ones, the position of bad ones, None while none arrives.

        Args:
            start: First offset of each partition.
            count_bad: Count bad ones in `bad` and `samples`.

        Raises:
            InputError: A label that is not in `classes`.
            BusError: Kafka refused.
            BusUnreachable: Existing messages did not arrive in time.
        """
        for one in read(self._brokers, self.topic, start, self.end, self._timeout):
            if one is None or not one.message:
                yield one
                continue
            try:
                yield self._decode(one)
            except (EnvelopeError, ImageError) as error:
                if count_bad:
                    self.bad[error.reason] += 1
                    if len(self.samples) < SAMPLES:
                        self.samples.append(f"{self.named(one)}: {error.reason}: {error}")
                yield one

    def named(self, one: Read) -> str:
        """How error messages name a message."""
        return f"{self.topic}[{one.partition}]@{one.offset}"

    def _decode(self, one: Read) -> LabelledMessage:
        envelope = decode(one.value)
        label = envelope.header.get("class")
        if not isinstance(label, str):
            raise EnvelopeError(
                "no_class", f"the header says class {label!r}; expected the class as text"
            )
        if label not in self._index:
            raise InputError(
                f"{self.named(one)} is labelled {label!r}, which is not in the class list "
                f"{', '.join(self.classes)}; add it to classes"
            )
        return LabelledMessage(
            one, pixels_of(envelope, self._settings.pixel_cap), self._index[label]
        )


class StreamNumpy(Resumable):
    """Batches of a stream as numpy arrays.

    Each iteration is a pass. A stream with an end starts over; an endless one, or one after
    `restore`, continues.

    Args:
        blocks: Source of the batches.
        prefetch: Number of batches to make ahead.
    """

    def __init__(self, blocks: StreamBlocks, prefetch: int) -> None:
        self._blocks, self._prefetch, self._taken = blocks, prefetch, 0
        self._progress = blocks.counting(lambda: self._taken)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Pairs (images, class indices)."""
        start = self._progress.begin()
        for batch in self._blocks.ahead(start, None, self._prefetch, _single_batch):
            self._taken += 1
            yield batch


def _single_batch(block: Block) -> Any:
    return block.rows.element()
