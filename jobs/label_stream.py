"""label_stream: label the images of a Kafka topic as they come, with the version an alias names."""

from __future__ import annotations

from typing import Annotated

import typer

from labelmill.domain.models.decisions import DEFAULT_THRESHOLD
from labelmill.pipelines.label import driver as label
from labelmill.spark.job import Job, run_job
from labelmill.spark.report import Report


def label_stream(
    job: Job,
    topic: Annotated[str, typer.Option(help="Kafka topic with images.")],
    model: Annotated[str, typer.Option(help="Model name.")],
    alias: Annotated[
        str, typer.Option(help="Alias whose version labels; moving it is the hot swap.")
    ] = "production",
    query: Annotated[
        str | None, typer.Option(help="Name of the stream. Default: TOPIC-MODEL.")
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="Folder or URI of the stream's offsets. Default: HOME/checkpoints/QUERY."
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="Topic for enriched messages. Default: TOPIC-labelled.")
    ] = None,
    dead: Annotated[
        str | None, typer.Option(help="Topic for dead letters. Default: TOPIC-dead.")
    ] = None,
    collection: Annotated[
        str, typer.Option(help="Collection of messages that name none.")
    ] = "stream",
    bound: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Labels below this probability: review.")
    ] = DEFAULT_THRESHOLD,
    max_per_batch: Annotated[
        int, typer.Option(min=1, help="Messages per micro-batch at most.")
    ] = 4096,
    until_drained: Annotated[
        bool, typer.Option("--until-drained", help="End when nothing is waiting in the topic.")
    ] = False,
    idle: Annotated[
        float,
        typer.Option(min=0.0, help="Seconds without a new message that count as drained."),
    ] = 2.0,
    at_least: Annotated[
        int, typer.Option(min=0, help="Not drained before so many messages were seen.")
    ] = 0,
    create_topics: Annotated[
        bool, typer.Option("--create-topics", help="Create the topics that do not exist.")
    ] = False,
) -> Report:
    """Labels the images of a Kafka topic, with the version that an alias names.

    The version is pinned per micro-batch; SIGTERM finishes the micro-batch and ends with 0. After a
    crash, start it again with the same --query: labels are the same, messages may come twice (each
    carries query and batch_id).
    """
    name = query or f"{topic}-{model}"
    plan = label.StreamPlan(
        topic=topic,
        output=output or f"{topic}-labelled",
        dead=dead or f"{topic}-dead",
        model=model,
        alias=alias,
        query=name,
        checkpoint=checkpoint or (job.settings.home.absolute() / "checkpoints" / name).as_uri(),
        collection=collection,
        bound=bound,
        max_per_batch=max_per_batch,
        until_drained=until_drained,
        idle_seconds=idle,
        at_least=at_least,
    )
    return label.label_stream(job.spark(), job.settings, plan, create_topics)


if __name__ == "__main__":
    run_job(
        label_stream,
        {
            0: "drained, or stopped by SIGTERM between two micro-batches",
            5: "Kafka: unreachable, no such topic, or messages are gone",
            6: "no version of the model can be served",
        },
    )
