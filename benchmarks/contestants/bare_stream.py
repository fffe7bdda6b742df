"""The bare loop of a labelling stream: consume, decode, predict, send; nothing is kept or repeated."""

from __future__ import annotations

import io
from multiprocessing.pool import Pool

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition
from PIL import Image

from benchmarks.contestants.bare_inference import BATCH, loaded
from labelmill.bus.envelope import Envelope, decode, encode
from labelmill.bus.topics import client_conf, offset_ranges

OUTPUT = "bench-bare"
_WAIT_S = 30.0


def labelled(pool: Pool, brokers: str, topic: str) -> int:
    """Labels every message of a topic, a partition a process; returns how many there were."""
    ranges = offset_ranges(brokers, topic)
    parts = [(brokers, topic, partition, *bounds) for partition, bounds in ranges.items()]
    return sum(pool.starmap(_label, parts, chunksize=1))


def _label(brokers: str, topic: str, partition: int, first: int, end: int) -> int:
    consumer = Consumer(
        client_conf(brokers, **{"group.id": "labelmill-bench", "enable.auto.commit": False})
    )
    producer = Producer(client_conf(brokers, **{"acks": "all", "linger.ms": 5}))
    model, done = loaded()[0], 0
    try:
        consumer.assign([TopicPartition(topic, partition, first)])
        while done < end - first:
            messages = consumer.consume(min(BATCH, end - first - done), _WAIT_S)
            if not messages:
                raise RuntimeError(f"no message of {topic}[{partition}] in {_WAIT_S:g} s")
            envelopes = [decode(message.value()) for message in messages]
            pixels = [np.asarray(Image.open(io.BytesIO(one.payload))) for one in envelopes]
            prepared = np.stack(pixels)[..., np.newaxis].astype(np.float32) / np.float32(255)
            answers = model.run(prepared).argmax(axis=1)
            for envelope, answer in zip(envelopes, answers, strict=True):
                header = {**envelope.header, "label": {"class": str(answer)}}
                producer.produce(OUTPUT, encode(Envelope(header, envelope.payload)))
            producer.poll(0)
            done += len(messages)
        producer.flush()
    finally:
        consumer.close()
    return done
