"""Batches from a topic: labelled messages, each once, with the bad ones counted."""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest

from labelmill.bus.envelope import Envelope, encode
from labelmill.bus.kafka import Sender, ensure_topic
from labelmill.bus.payload import of_array
from labelmill.bus.topics import offset_ranges
from labelmill.domain.codecs.png.codec import encode_png
from labelmill.errors import BusUnreachable, InputError, NoData, UnknownTopic
from labelmill.feed.maps.augment import noise
from labelmill.feed.maps.preparation import prepared
from labelmill.live.kafka.batches import StreamBatches
from labelmill.settings import Settings
from tests.helpers.streams import until

CLASSES = ["no", "yes"]


@pytest.fixture
def topic(settings: Settings) -> str:
    """A topic of two partitions."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    ensure_topic(settings.brokers(), name, partitions=2)
    return name


def send(settings: Settings, topic: str, values: Iterable[bytes]) -> None:
    with Sender(settings.brokers(), topic) as sender:
        for number, value in enumerate(values):
            sender.send(str(number).encode(), value)


def message(
    number: int, shape: tuple[int, int, int] = (3, 2, 1), label: str | None = None
) -> bytes:
    """Pixels that encode the number; two of three messages are PNG files."""
    pixels = np.full(shape, number % 256, np.uint8)
    known = {"class": label or CLASSES[number % 2]}
    if number % 3:
        return encode(Envelope(known, encode_png(pixels)))
    image_id = hashlib.sha256(str(number).encode()).hexdigest()
    return encode(of_array(pixels.tobytes(), shape, "uint8", image_id=image_id, **known))


def numbers(batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> list[int]:
    """The numbers in the pixels; their labels are checked."""
    found = []
    for images, labels in batches:
        assert images.dtype == np.uint8
        assert labels.dtype == np.int64
        assert (images == images[:, :1, :1, :]).all()
        assert (images[:, 0, 0, 0] % 2 == labels).all()
        found += images[:, 0, 0, 0].tolist()
    return found


def test_existing_messages_come_once(settings: Settings, topic: str) -> None:
    send(settings, topic, (message(n) for n in range(100)))
    stream = StreamBatches(topic, settings, CLASSES)
    send(settings, topic, [message(200)])
    batches = stream.numpy(16)
    found = [x.shape for x, _ in batches]
    assert found == [(16, 3, 2, 1)] * 6 + [(4, 3, 2, 1)]
    for again in (batches, stream.numpy(16, prefetch=0)):
        assert sorted(numbers(again)) == list(range(100))
    assert [len(x) for x, _ in stream.numpy(16, drop_remainder=True)] == [16] * 6
    assert stream.bad == {}
    with pytest.raises(
        NoData, match=r"100 labelled messages are fewer than one batch of 101, and drop_rem"
    ):
        list(stream.numpy(101, drop_remainder=True))


def test_bad_messages_are_counted_with_samples(settings: Settings, topic: str) -> None:
    bad = [
        b"no envelope",
        encode(Envelope({"class": "yes"}, encode_png(np.zeros((9, 9, 1), np.uint8))[:40])),
        encode(Envelope({}, encode_png(np.zeros((3, 2, 1), np.uint8)))),
        encode(Envelope({"class": 5}, b"")),
    ]
    send(settings, topic, [*bad, *(message(n) for n in range(10)), *bad])
    stream = StreamBatches(topic, settings, CLASSES)
    assert sorted(numbers(stream.numpy(4))) == list(range(10))
    assert stream.bad == Counter(not_an_envelope=2, truncated=2, no_class=4)
    assert len(stream.samples) == 5
    assert all(f"{topic}[" in sample for sample in stream.samples)
    assert any("no_class: the header says class None" in sample for sample in stream.samples)


def test_offsets_say_from_where_to_where(settings: Settings, topic: str) -> None:
    send(settings, topic, (message(n) for n in range(60)))
    ranges = offset_ranges(settings.brokers(), topic)
    middle = {p: (low + high) // 2 for p, (low, high) in ranges.items()}
    first = numbers(StreamBatches(topic, settings, CLASSES, end=middle).numpy(7))
    second = numbers(StreamBatches(topic, settings, CLASSES, start=middle).numpy(7))
    assert len(first) == sum(middle.values())
    assert sorted(first + second) == list(range(60))
    for given, text in (
        ({"start": {7: 0}}, r"partition 7 of .*it has 0, 1"),
        ({"end": {0: 10_000}}, r"\[0\]: received offsets 0 to 10000; it ends at"),
        ({"end": middle, "endless": True}, "an endless stream has no end"),
    ):
        with pytest.raises(InputError, match=text):
            StreamBatches(topic, settings, CLASSES, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("prefetch", [0, 100])
def test_a_state_continues_by_offsets(settings: Settings, topic: str, prefetch: int) -> None:
    send(settings, topic, [*(message(n) for n in range(50)), b"the last"])
    stream = StreamBatches(topic, settings, CLASSES)
    batches = stream.numpy(8, prefetch=prefetch)
    walk = iter(batches)
    before = [next(walk) for _ in range(3)]
    if prefetch:
        # Everything was read ahead, but only taken batches count.
        until(lambda: stream.bad == {"not_an_envelope": 1})
    state = json.loads(json.dumps(batches.state()))
    rest = StreamBatches(topic, settings, CLASSES).numpy(8, prefetch=prefetch)
    rest.restore(state)
    assert sorted(numbers([*before, *rest])) == list(range(50))
    done = rest.state()
    rest.restore(done)
    assert list(rest) == []
    with pytest.raises(InputError, match=r"another stream: classes \['no', 'yes'\], here \['yes'"):
        StreamBatches(topic, settings, ["yes", "no"]).numpy(8).restore(state)
    with pytest.raises(InputError, match="a state of format 1"):
        rest.restore({"epoch": 1})


def test_an_endless_stream_continues_with_what_arrives(settings: Settings, topic: str) -> None:
    send(settings, topic, (message(n) for n in range(10)))
    batches = StreamBatches(topic, settings, CLASSES, endless=True).numpy(5, prefetch=0)
    walk = iter(batches)
    found = numbers(next(walk) for _ in range(2))
    later = threading.Thread(
        target=send, args=(settings, topic, [message(n) for n in range(10, 20)])
    )
    later.start()
    found += numbers(next(walk) for _ in range(2))
    later.join()
    assert sorted(found) == list(range(20))
    walk.close()
    send(settings, topic, (message(n) for n in range(20, 25)))
    assert sorted(numbers([next(iter(batches))])) == list(range(20, 25))


def test_labels_and_shapes_that_do_not_agree(settings: Settings, topic: str) -> None:
    send(settings, topic, [message(n) for n in range(5)] + [message(5, (4, 4, 1))])
    stream = StreamBatches(topic, settings, CLASSES)
    for batch in (3, 6):
        with pytest.raises(InputError, match=rf"\(4, 4, 1\).*{topic}\[\d\]@\d+.*map=prepared"):
            list(stream.numpy(batch))
    grey = prepared([{"resize": [3, 2]}])
    images = np.concatenate([x for x, _ in stream.numpy(4, map=grey)])
    assert images.shape == (6, 3, 2, 1)
    assert images.dtype == np.float32
    send(settings, topic, [message(6, label="perhaps")])
    with pytest.raises(InputError, match=r"labelled 'perhaps'.*not in the class list no, yes"):
        list(StreamBatches(topic, settings, CLASSES).numpy(2, map=grey))


def test_augmentation_follows_from_the_message(settings: Settings, topic: str) -> None:
    send(settings, topic, (message(n) for n in range(12)))
    stream = StreamBatches(topic, settings, CLASSES)

    def noisy(batch: int, seed: int) -> set[bytes]:
        return {i.tobytes() for x, _ in stream.numpy(batch, seed=seed, map=noise(0.3)) for i in x}

    assert noisy(5, 1) == noisy(12, 1)
    assert not noisy(5, 1) & noisy(5, 2)


def test_a_consumer_that_stops_leaves_no_reader_behind(settings: Settings, topic: str) -> None:
    send(settings, topic, [message(n) for n in range(5)])
    before = set(threading.enumerate())
    walk = iter(StreamBatches(topic, settings, CLASSES, endless=True).numpy(4))
    next(walk)
    assert set(threading.enumerate()) - before
    walk.close()
    until(lambda: not set(threading.enumerate()) - before)


@pytest.mark.train
def test_a_dataset_gives_the_same(settings: Settings, topic: str) -> None:
    send(settings, topic, [b"bad", *(message(n) for n in range(30))])
    dataset = StreamBatches(topic, settings, CLASSES).tf(8)
    assert dataset.element_spec[0].shape.as_list() == [None, 3, 2, 1]
    assert int(dataset.cardinality()) == -2
    for _ in range(2):
        assert sorted(numbers((x.numpy(), y.numpy()) for x, y in dataset)) == list(range(30))
    again = StreamBatches(topic, settings, CLASSES).tf(8)
    walk = iter(again)
    before = [next(walk) for _ in range(2)]
    rest = StreamBatches(topic, settings, CLASSES).tf(8)
    rest.restore(again.state())
    assert sorted(numbers((x.numpy(), y.numpy()) for x, y in [*before, *rest])) == list(range(30))


def test_topics_without_labelled_messages(settings: Settings, topic: str) -> None:
    with pytest.raises(NoData, match="has no labelled messages"):
        list(StreamBatches(topic, settings, CLASSES).numpy(2))
    send(settings, topic, [b"bad"] * 3)
    with pytest.raises(NoData, match=r"left out: not_an_envelope 3× \(for example "):
        list(StreamBatches(topic, settings, CLASSES).numpy(2))
    with pytest.raises(UnknownTopic, match="never"):
        StreamBatches("never", settings, CLASSES)
    for classes in ([], "yes", ["yes", "yes"]):
        with pytest.raises(InputError, match="expected a list of different names"):
            StreamBatches(topic, settings, classes)
    nobody = settings.model_copy(update={"kafka_brokers": "127.0.0.1:1", "timeout_seconds": 0.5})
    with pytest.raises(BusUnreachable):
        StreamBatches(topic, nobody, CLASSES)
