"""Shared by tests of the labelling stream: drawn images, small models, topics of their own."""

from __future__ import annotations

import io
import json
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from labelmill.bus.envelope import Envelope, decode, encode
from labelmill.bus.kafka import Sender, ensure_topic, messages
from labelmill.domain.images.image import image_id_of
from labelmill.domain.models.artifact import unpack
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.label.plan import StreamPlan
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.records import aliases, models
from labelmill.store.schema.tables import LABELS, STREAM_BATCHES, TABLES
from tests.helpers.small_models import small_artifact


def until(reached: Callable[[], bool], seconds: float = 90.0) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.05)


def drawn_images(count: int, seed: int = 0) -> dict[str, tuple[bytes, np.ndarray]]:
    """image_id → PNG file, pixels (4, 4, 1)."""
    rng, images = np.random.default_rng(seed), {}
    for _ in range(count):
        pixels, buffer = rng.integers(0, 256, (4, 4), dtype=np.uint8), io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        images[image_id_of(buffer.getvalue())] = buffer.getvalue(), pixels[:, :, None]
    return images


@dataclass
class StreamFixture:
    """Tables with two model versions, alias ``production`` on 1, and three topics."""

    settings: Settings
    client: RowClient
    topic: str
    folder: Path

    @classmethod
    def make(cls, settings: Settings, client: RowClient, folder: Path) -> StreamFixture:
        for table in TABLES.values():
            client.ensure(table)
        for version in (1, 2):
            models.publish(client, "small", version, small_artifact(version), "digest", None)
        aliases.move(client, "small", "production", 1)
        stream = cls(settings, client, f"t-{uuid.uuid4().hex[:10]}", folder)
        for topic in (stream.topic, f"{stream.topic}-labelled", f"{stream.topic}-dead"):
            ensure_topic(settings.brokers(), topic)
        return stream

    def plan(self, query: str = "q", **more: object) -> StreamPlan:
        """Drains the topic in micro-batches of 50."""
        return StreamPlan(**{  # type: ignore[arg-type]
            "topic": self.topic,
            "output": f"{self.topic}-labelled",
            "dead": f"{self.topic}-dead",
            "model": "small",
            "alias": "production",
            "query": query,
            "checkpoint": (self.folder / query).as_uri(),
            "max_per_batch": 50,
            "until_drained": True,
            "idle_seconds": 0.5,
            **more,
        })  # fmt: skip

    def send(self, values: Iterable[bytes]) -> None:
        with Sender(self.settings.brokers(), self.topic) as sender:
            for value in values:
                sender.send(b"key", value)

    def send_images(self, images: dict[str, tuple[bytes, np.ndarray]]) -> None:
        self.send(
            encode(Envelope({"collection": "drawn", "image_id": i, "uri": i[:4]}, png))
            for i, (png, _) in images.items()
        )

    def labels(self) -> list[dict[str, object]]:
        return list(self.client.scan(LABELS))

    def batches(self) -> list[dict[str, object]]:
        rows = list(self.client.scan(STREAM_BATCHES))
        return sorted(rows, key=lambda row: int(str(row["batch_id"])))

    def dead(self) -> list[Envelope]:
        return [decode(v) for _, v in messages(self.settings.brokers(), f"{self.topic}-dead")]

    def labelled(self) -> list[Envelope]:
        return [decode(v) for _, v in messages(self.settings.brokers(), f"{self.topic}-labelled")]


def offline(
    client: RowClient, version: int, images: dict[str, tuple[bytes, np.ndarray]]
) -> dict[str, bytes]:
    """image_id → probabilities of the stored version, predicted in this process in one call."""
    _, data = models.load(client, "small", version)
    ids = sorted(images)
    answers = Predictor(unpack(data)).predict([images[i][1] for i in ids])
    return {i: row.astype("<f4").tobytes() for i, row in zip(ids, answers, strict=True)}


def report_of(path: Path) -> dict[str, object]:
    return dict(json.loads(path.read_text()))
