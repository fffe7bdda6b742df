"""The steps of the demo's stream: stream, publish, swap, drain."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labelmill.bus.kafka import ensure_topic
from labelmill.demo.console import DemoProgress
from labelmill.demo.stream_process import StreamProcess
from labelmill.errors import LabelmillError
from labelmill.feed.training_set import TrainingSet
from labelmill.pipelines.publish.driver import publish_split
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.records import aliases
from labelmill.store.schema.tables import LABELS, STREAM_BATCHES

BATCHES = 12
"""Micro-batches that the published images are spread over, so that the swap is visible."""

BEFORE_SWAP = 4
"""Micro-batches that the first version labels before the alias moves."""

FEWEST_HELD_OUT = 2 * BATCHES
"""Fewest images to spread: a batch takes at least one from each of the two Kafka partitions."""

STREAM_SECONDS = 300.0
"""Longest wait for the stream to label what was published."""


class StreamSteps:
    """The steps of the stream and their shared state.

    Args:
        settings: Of the demo's own home and servers.
        progress: Shows the steps.
        client: Open row client.
        root: The checkout.
        model: Model name.
        best: The version that `production` names at first.
        second: The version that `production` is moved to.
        held_out: Number of images that will be published.
    """

    def __init__(
        self,
        settings: Settings,
        progress: DemoProgress,
        client: RowClient,
        root: Path,
        model: str,
        best: int,
        second: int,
        held_out: int,
    ) -> None:
        self._settings, self._progress, self._client, self._root = settings, progress, client, root
        self._model, self._best, self._second, self._held_out = model, best, second, held_out
        self._published = 0
        # A new name for each run: a user's Kafka may hold messages of an earlier demo.
        self._topic = f"labelmill-demo-{time.time_ns() // 1_000_000_000}"
        self._query = self._topic

    @contextmanager
    def stream(self) -> Iterator[StreamProcess]:
        """Runs the labelling stream as its own process during the ``with`` block."""
        doing = f"Kafka → decode → predict with {self._model}@production → Kudu, as its own job"
        with self._progress.step("stream", doing) as step:
            for topic in (self._topic, f"{self._topic}-labelled", f"{self._topic}-dead"):
                ensure_topic(self._settings.brokers(), topic, 2, self._settings.timeout_seconds)
            log = self._settings.home / "stream.log"
            stream = StreamProcess(self._job(), log, self._environment())
            step.done(f"started, following topic {self._topic}", f"tail -f {log}")
        with stream:
            yield stream

    def publish(self, training_set: TrainingSet) -> None:
        """Publishes the held-out images to Kafka, shuffled and without their classes."""
        with self._progress.step("publish", "held-out images without labels, shuffled") as step:
            report = publish_split(self._settings, training_set, "test", self._topic)
            self._published = report.results["messages"]
            step.done(f"{self._published:,} images on topic {self._topic}")

    def swap(self, stream: StreamProcess) -> None:
        """Moves `production` to the second-best version while the stream runs."""
        doing = f"move {self._model}@production to version {self._second} while the stream runs"
        with self._progress.step("swap", doing) as step:
            stream.wait_until(
                lambda: len(self._done()) >= BEFORE_SWAP,
                f"{BEFORE_SWAP} micro-batches were labelled",
                STREAM_SECONDS,
            )
            aliases.move(self._client, self._model, "production", self._second)
            step.done(
                f"after {sum(r for _, r in self._done()):,} images labelled by version {self._best}; "
                "one row was written, nothing was restarted",
                f"as a command: bin/labelmill models alias {self._model} production {self._second}",
            )

    def drain(self, stream: StreamProcess, collection: str) -> None:
        """Waits until every published image is labelled, then stops the stream."""
        with self._progress.step("drain", "wait until every published image is labelled") as step:
            stream.wait_until(
                lambda: sum(rows for _, rows in self._done()) >= self._published,
                f"all {self._published:,} published images were labelled",
                STREAM_SECONDS,
            )
            stream.stop()
            by_version: Counter[int] = Counter()
            for version, rows in self._done():
                by_version[version] += rows
            self._check(collection)
            shares = ", ".join(f"{rows:,} by version {v}" for v, rows in by_version.items())
            step.done(f"{shares}; the stream ended on SIGTERM with exit code 0")

    def _check(self, collection: str) -> None:
        """Checks the guarantees of the stream against the rows that it wrote.

        Raises:
            LabelmillError: An image was labelled twice or not at all, or the swap is not clean.
        """
        rows = self._client.scan(
            LABELS, ["image_id", "version", "batch_id"],
            {"collection": collection, "query": self._query},
        )  # fmt: skip
        batch_of: dict[int, set[int]] = {}
        images: Counter[Any] = Counter()
        for row in rows:
            images[row["image_id"]] += 1
            batch_of.setdefault(int(str(row["version"])), set()).add(int(str(row["batch_id"])))
        before, after = (batch_of.get(v, set()) for v in (self._best, self._second))
        if len(images) != self._published or max(images.values()) != 1:
            raise LabelmillError(
                f"{self._published:,} images were published, {len(images):,} were labelled, "
                f"{sum(n > 1 for n in images.values()):,} of them by both versions"
            )
        if not before or not after or max(before) >= min(after):
            raise LabelmillError(
                f"versions overlap at the swap; micro-batches by version: {dict(batch_of)}"
            )

    def _done(self) -> list[tuple[int, int]]:
        """Version and messages (labelled or dead) of each finished micro-batch, in order."""
        rows = self._client.scan(
            STREAM_BATCHES, ["batch_id", "version", "rows", "dead"],
            {"query": self._query, "state": "done"},
        )  # fmt: skip
        found: list[Any] = [tuple(row.values()) for row in rows]
        return [(v, labelled + dead) for _, v, labelled, dead in sorted(found) if labelled + dead]

    def _job(self) -> list[str]:
        return [
            str(self._root / "jobs" / "label_stream.py"),
            "--topic", self._topic,
            "--model", self._model,
            "--query", self._query,
            "--max-per-batch", str(max(1, self._held_out // BATCHES)),
            "--master", "local[2,4]",
        ]  # fmt: skip

    def _environment(self) -> dict[str, str]:
        return {
            "LABELMILL_HOME": str(self._settings.home),
            "LABELMILL_KUDU_MASTERS": self._settings.masters(),
            "LABELMILL_KAFKA_BROKERS": self._settings.brokers(),
            "LABELMILL_TABLE_PREFIX": self._settings.table_prefix,
        }
