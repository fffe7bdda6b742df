"""spark-submit entry point: labels the images of a Kafka topic as they arrive."""

from __future__ import annotations

from typing import Annotated

import typer

from labelmill.domain.models.decisions import DEFAULT_THRESHOLD
from labelmill.errors import InputError
from labelmill.pipelines.label import driver
from labelmill.pipelines.label.plan import IMAGE_MEMORY, StreamPlan
from labelmill.spark.job import Job, run_job
from labelmill.spark.report import Report


def label_stream(
    job: Job,
    topic: Annotated[str, typer.Option(help="Kafka topic with images.")],
    model: Annotated[str, typer.Option(help="Model name.")],
    alias: Annotated[
        str,
        typer.Option(
            help="Alias whose version labels; move it to swap versions while the stream runs."
        ),
    ] = "production",
    query: Annotated[
        str | None, typer.Option(help="Name of the stream. Default: TOPIC-MODEL.")
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="Folder or URI for the stream's offsets. Default: HOME/checkpoints/QUERY."
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="Topic for enriched messages. Default: TOPIC-labelled.")
    ] = None,
    dead: Annotated[
        str | None, typer.Option(help="Topic for dead letters. Default: TOPIC-dead.")
    ] = None,
    collection: Annotated[
        str, typer.Option(help="Collection for messages that name none.")
    ] = "stream",
    threshold: Annotated[
        float,
        typer.Option(
            "--threshold",
            "--bound",  # the former name
            min=0.0,
            max=1.0,
            help="Labels below this probability get the decision `review`.",
        ),
    ] = DEFAULT_THRESHOLD,
    image_memory: Annotated[
        int,
        typer.Option(
            min=1,
            help="MiB that decoding and preparing one image may take. An image that needs more becomes a "
            "dead letter. An executor needs as much per task at a time, beside its own memory.",
        ),
    ] = IMAGE_MEMORY >> 20,
    max_per_batch: Annotated[
        int,
        typer.Option(
            min=1,
            help="Maximum messages per micro-batch, over all partitions; "
            "each partition with new messages gives at least one.",
        ),
    ] = 4096,
    until_drained: Annotated[
        bool, typer.Option("--until-drained", help="End once the topic has no unread messages.")
    ] = False,
    idle: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="With --until-drained: seconds without a new message after which the topic counts as "
            "drained. Default: 2.",
        ),
    ] = None,
    at_least: Annotated[
        int | None,
        typer.Option(
            min=0, help="With --until-drained: read at least this many messages. Default: 0."
        ),
    ] = None,
    create_topics: Annotated[
        bool, typer.Option("--create-topics", help="Create topics that do not exist.")
    ] = False,
) -> Report:
    """Label the images of a Kafka topic with the version that an alias names.

    The version is pinned per micro-batch. SIGTERM finishes the current micro-batch and ends with
    exit code 0. After a crash, start again with the same --query: labels stay the same, messages
    may be sent twice (each carries query and batch_id).
    """
    if not until_drained and (idle is not None or at_least is not None):
        raise InputError("--idle and --at-least are for --until-drained; a stream ends on SIGTERM")
    name = query or f"{topic}-{model}"
    plan = StreamPlan(
        topic=topic,
        output=output or f"{topic}-labelled",
        dead=dead or f"{topic}-dead",
        model=model,
        alias=alias,
        query=name,
        checkpoint=checkpoint or (job.settings.home.absolute() / "checkpoints" / name).as_uri(),
        collection=collection,
        threshold=threshold,
        image_memory=image_memory << 20,
        max_per_batch=max_per_batch,
        until_drained=until_drained,
        idle_seconds=2.0 if idle is None else idle,
        at_least=at_least or 0,
    )
    return driver.label_stream(job.spark(), job.settings, plan, create_topics)


if __name__ == "__main__":
    run_job(
        label_stream,
        codes={
            0: "drained, or stopped by SIGTERM between two micro-batches",
            5: "Kafka: unreachable, no such topic, or unread messages were deleted",
            6: "no version of the model can be served",
        },
    )
