"""Labelling a Kafka topic until it is drained, against a bare loop that decodes, predicts and sends."""

from __future__ import annotations

import contextlib
import io
import os

import numpy as np
from PIL import Image
from rich.console import Console

from benchmarks.contestants import bare_inference, bare_stream
from benchmarks.contestants.commands import job_command, run_command
from benchmarks.data import drawn_models
from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.processes import CpuWatch
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Contestant, race
from labelmill.bus.envelope import Envelope, encode
from labelmill.bus.kafka import Sender, ensure_topic
from labelmill.domain.images.image import image_id_of
from labelmill.pipelines.label.driver import label_stream
from labelmill.pipelines.label.plan import StreamPlan
from labelmill.settings import Settings
from labelmill.store.connect import open_client
from labelmill.store.records import aliases

MODEL, SIDE, FEW, PARTITIONS = "drawn", 28, 100, 2
ALL_TOPIC, FEW_TOPIC = "bench-all", "bench-few"
BARE, STREAM, COMMAND = "bare loop", "stream", f"whole command, {FEW} messages"
COMPARED = (STREAM, COMMAND)


def run(options: Options) -> Result:
    """A warm session drains a topic as a new stream each time; the whole command drains a hundred messages."""
    result = Result("label_stream", __doc__ or "", options.quick, options.repetitions)
    messages = options.size(20_000, 2_000)
    shares: list[str] = []
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(resources.scratch())
        kudu = stack.enter_context(resources.kudu(folder, options.say))
        spark = stack.enter_context(resources.spark(options.cores, kudu.settings))
        drawn_models.publish(kudu.settings, MODEL, 1)
        client = open_client(kudu.settings)
        aliases.move(client, MODEL, "production", 1)
        client.close()
        _fill(kudu.settings, ALL_TOPIC, messages)
        _fill(kudu.settings, FEW_TOPIC, FEW)
        ensure_topic(kudu.settings.brokers(), bare_stream.OUTPUT, PARTITIONS)
        pool = stack.enter_context(bare_inference.processes(PARTITIONS, 1))

        def drain(repetition: int) -> int:
            name = f"warm-{repetition}"
            plan = StreamPlan(
                topic=ALL_TOPIC,
                output=f"{ALL_TOPIC}-labelled",
                dead=f"{ALL_TOPIC}-dead",
                model=MODEL,
                alias="production",
                query=name,
                checkpoint=(folder / name).as_uri(),
                until_drained=True,
                idle_seconds=0.0,
                at_least=messages,
            )
            quiet = Console(file=io.StringIO())
            with CpuWatch(os.getpid(), {"Kudu's servers": kudu.servers}) as watch:
                report = label_stream(spark, kudu.settings, plan, True, quiet)
            shares.append(str(watch.shares))
            return int(report.results["labelled"]) + int(report.results.get("repeated", 0))

        def command(repetition: int) -> int:
            name = f"command-{repetition}"
            words = (
                "jobs/label_stream.py", "--topic", FEW_TOPIC, "--model", MODEL, "--query", name,
                "--checkpoint", (folder / name).as_uri(), "--until-drained", "--idle", "0",
                "--at-least", str(FEW), "--create-topics",
            )  # fmt: skip
            run_command(kudu, job_command(options.cores, *words), folder / f"{name}.log")
            return FEW

        raced = race(
            [
                Contestant(
                    BARE,
                    lambda _: bare_stream.labelled(pool, kudu.settings.brokers(), ALL_TOPIC),
                    f"{PARTITIONS} processes, a partition each: consume, decode with Pillow, ONNX Runtime in "
                    f"batches of {bare_inference.BATCH}, send the message back with its class",
                ),
                Contestant(STREAM, drain, "warm session; a new query and checkpoint each time"),
                Contestant(
                    COMMAND,
                    command,
                    "`bin/submit jobs/label_stream.py --until-drained`",
                    warm=lambda: None,
                ),
            ],
            options.repetitions,
            options.settle,
            options.say,
        )
    result.count_starts(raced)
    result.rows = [Row.rate(timed, "messages/s") for timed in raced.timed.values()]
    result.figures = [Figure(f"{STREAM} / {BARE}", raced[STREAM].ratios(raced[BARE]))]
    result.limit = f"While the stream ran, {shares[-1]}"
    result.notes.append(
        f"{messages:,} PNG messages of {SIDE}×{SIDE} in {PARTITIONS} partitions, micro-batches of up to 4,096; "
        f"model 784-{drawn_models.HIDDEN}-10. The stream also writes `labels` and `stream_batches`, pins "
        "versions, and keeps offsets. Starting and ending the query is part of its time."
    )
    return result


def _fill(settings: Settings, topic: str, messages: int) -> None:
    for name in (topic, f"{topic}-labelled", f"{topic}-dead"):
        ensure_topic(settings.brokers(), name, PARTITIONS)
    noise = np.random.default_rng(7)
    with Sender(settings.brokers(), topic) as sender:
        for number in range(messages):
            buffer = io.BytesIO()
            pixels = noise.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
            Image.fromarray(pixels).save(buffer, "PNG")
            png = buffer.getvalue()
            header = {"collection": topic, "image_id": image_id_of(png)}
            sender.send(str(number).encode(), encode(Envelope(header, png)))
