"""The labelling job under a long run of tiny micro-batches, and what its processes hold meanwhile."""

from __future__ import annotations

import io
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.contestants.commands import last_lines
from benchmarks.measure import jvm
from benchmarks.measure.machine import ROOT
from benchmarks.measure.processes import DRIVER, JVM, WORKERS, memory_of, own_bytes, parts_of, tree
from benchmarks.measure.resources import Kudu
from labelmill.bus.envelope import Envelope, encode
from labelmill.bus.kafka import Sender, ensure_topic
from labelmill.domain.images.image import image_id_of
from labelmill.store.connect import open_client
from labelmill.store.records import aliases, models
from labelmill.store.schema.tables import STREAM_BATCHES
from tests.helpers.small_models import small_artifact

TOPIC, MODEL, QUERY = "soak", "soak", "soak"
SIDE = 28
HEAP_MIB = 1024
"""The product's own default for the driver (`spark.driver.memory`)."""

IMAGES = 2_000
"""Different images; the topic repeats them."""


@dataclass(frozen=True)
class Look:
    """Memory at one moment, in bytes.

    Attributes:
        seconds: Since the first micro-batch.
        batches: Micro-batches done.
        resident: `DRIVER`, `JVM` and `WORKERS` → bytes.
        kinds: What the JVM consists of, see `jvm.KINDS`; what it holds beside its own count
            (fragments of malloc, libraries) is `jvm.UNTRACKED`.
        threads: Threads of the JVM.
    """

    seconds: float
    batches: int
    resident: dict[str, int]
    kinds: dict[str, int]
    threads: int

    def __str__(self) -> str:
        """A line of progress, in MiB."""
        sizes = [
            f"{name} {size / 2**20:.0f}" for name, size in {**self.resident, **self.kinds}.items()
        ]
        return f"{self.batches:,} micro-batches: {', '.join(sizes)}, threads {self.threads}"


@dataclass
class Soak:
    """What was seen of one run.

    Attributes:
        looks: In order of time.
        objects: Live objects of the JVM at half-time and at the end, by class.
    """

    looks: list[Look] = field(default_factory=list)
    objects: list[dict[str, tuple[int, int]]] = field(default_factory=list)


def fill(kudu: Kudu, messages: int) -> None:
    """Publishes a model of one layer, and fills the topic with small noisy images."""
    settings = kudu.settings
    client = open_client(settings)
    try:
        models.publish(client, MODEL, 1, small_artifact(1, SIDE), "0" * 64, None)
        aliases.move(client, MODEL, "production", 1)
    finally:
        client.close()
    for topic in (TOPIC, f"{TOPIC}-labelled", f"{TOPIC}-dead"):
        ensure_topic(settings.brokers(), topic, partitions=2)
    noise, values = np.random.default_rng(7), []
    for _ in range(IMAGES):
        buffer = io.BytesIO()
        Image.fromarray(noise.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)).save(buffer, "PNG")
        png = buffer.getvalue()
        values.append(encode(Envelope({"collection": TOPIC, "image_id": image_id_of(png)}, png)))
    with Sender(settings.brokers(), TOPIC) as sender:
        for number in range(messages):
            sender.send(str(number).encode(), values[number % IMAGES])


def soak(
    kudu: Kudu,
    folder: Path,
    cores: int,
    batches: int,
    per_batch: int,
    seconds: float,
    every: float,
    say: Callable[[str], None],
) -> Soak:
    """Runs ``jobs/label_stream.py`` until it has done the micro-batches or the time is over.

    Args:
        kudu: With a filled topic.
        folder: For log and checkpoint.
        cores: Task slots.
        batches: Micro-batches.
        per_batch: Most messages of each.
        seconds: Longest time.
        every: Seconds between two looks.
        say: Receives a line for each look.

    Raises:
        RuntimeError: The job failed; with the end of its output.
    """
    log, found = folder / "soak.log", Soak()
    with _job(kudu, folder, log, cores, per_batch) as job:
        client = open_client(kudu.settings)
        try:
            started = 0.0
            while job.poll() is None:
                time.sleep(every if started else 1.0)
                rows = client.scan(STREAM_BATCHES, ["batch_id"], {"query": QUERY, "state": "done"})
                done = sum(1 for _ in rows)
                if not done or job.poll() is not None:
                    continue
                started = started or time.monotonic()
                found.looks.append(_look(job.pid, time.monotonic() - started, done))
                say(str(found.looks[-1]))
                passed = max(done / batches, (time.monotonic() - started) / seconds)
                over = passed >= 1
                if over or (passed >= 0.5 and not found.objects):
                    found.objects.append(
                        jvm.live_objects(jvm.jcmd(_jvm_of(job.pid), "GC.class_histogram"))
                    )
                if over:
                    job.send_signal(signal.SIGTERM)
                    break
        finally:
            client.close()
        code = job.wait(timeout=120)
    if code:
        raise RuntimeError(f"the stream ended with {code}:\n{last_lines(log)}")
    return found


@contextmanager
def _job(
    kudu: Kudu, folder: Path, log: Path, cores: int, per_batch: int
) -> Iterator[subprocess.Popen[bytes]]:
    quiet = f"-Dlog4j2.configurationFile=file:{ROOT}/conf/log4j2.properties"
    command = [
        str(ROOT / "bin" / "submit"), "--master", f"local[{cores}]",
        "--conf", f"spark.driver.memory={HEAP_MIB}m",
        # The whole heap from the start, or its growth would hide what grows beside it.
        "--conf", f"spark.driver.extraJavaOptions={quiet} {jvm.TRACKING} -Xms{HEAP_MIB}m -XX:+AlwaysPreTouch",
        "jobs/label_stream.py", "--topic", TOPIC, "--model", MODEL, "--query", QUERY,
        "--checkpoint", (folder / "checkpoint").as_uri(), "--max-per-batch", str(per_batch),
    ]  # fmt: skip
    with log.open("wb") as output:
        job = subprocess.Popen(
            command, env=kudu.environment, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT
        )
        try:
            yield job
        finally:
            if job.poll() is None:
                job.kill()
                job.wait()


def _jvm_of(root: int) -> int:
    return next(pid for pid, part in parts_of(tree(root), root).items() if part == JVM)


def _look(root: int, seconds: float, batches: int) -> Look:
    resident = dict.fromkeys((DRIVER, JVM, WORKERS), 0)
    java = 0
    for pid, part in parts_of(tree(root), root).items():
        if part in resident:
            # Not PSS: it depends on who else maps the same libraries at the moment.
            resident[part] += memory_of(pid)[0] if part == JVM else own_bytes([pid])
            java = pid if part == JVM else java
    native = jvm.native_memory(jvm.jcmd(java, "VM.native_memory", "summary"))
    counted = sum(native.committed.values())
    kinds = {**native.committed, jvm.UNTRACKED: resident[JVM] - counted}
    return Look(seconds, batches, resident, kinds, native.threads)
