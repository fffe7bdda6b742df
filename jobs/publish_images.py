"""spark-submit entry point: publishes images to a Kafka topic, shuffled, each once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labelmill.bus.kafka import require_or_create
from labelmill.errors import InputError
from labelmill.pipelines.publish.driver import publish_folder, publish_slice, publish_split
from labelmill.spark.job import Job, run_job
from labelmill.spark.report import Report
from labelmill.training_sets.registry import find


def publish_images(
    job: Job,
    topic: Annotated[str, typer.Option(help="Kafka topic to publish to.")],
    sql: Annotated[
        str | None,
        typer.Option(help="Query over the catalogue, such as 'select * from images where …'."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Instead of --sql: a folder of PNG files, sent unchanged. Links are left out."
        ),
    ] = None,
    training_set: Annotated[
        str | None,
        typer.Option(
            help="Instead of --sql: name, digest or folder of a training set; sends its --split."
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Split of --training-set: train, validation or test. Default: test."),
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option(help="Collection that the messages of a --folder name. Default: stream."),
    ] = None,
    with_labels: Annotated[
        bool,
        typer.Option(
            "--with-labels/--without-labels",
            help="Include the true class (column class, or the folder's name) and the path.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the shuffled order.")] = 0,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Maximum messages per second.")
    ] = None,
    create_topics: Annotated[
        bool, typer.Option("--create-topics", help="Create the topic if it does not exist.")
    ] = False,
) -> Report:
    """Publish images to Kafka in shuffled order, each image once.

    If the job is interrupted and run again, messages are repeated; labelmill's consumers are
    idempotent by image id.
    """
    if sum(source is not None for source in (sql, folder, training_set)) != 1:
        raise InputError(
            "give what to publish, one of: --sql QUERY, --folder DIR, --training-set NAME"
        )
    if split is not None and training_set is None:
        raise InputError("--split is for --training-set; a query says itself what it selects")
    if collection is not None and folder is None:
        raise InputError("--collection is for --folder; other images keep their collection")
    require_or_create(job.settings, topic, create_topics)
    if folder is not None:
        return publish_folder(
            job.settings, folder, topic, collection or "stream", with_labels, seed, rate
        )
    if training_set is not None:
        frozen = find(job.settings, training_set)
        return publish_split(job.settings, frozen, split or "test", topic, with_labels, seed, rate)
    return publish_slice(
        job.spark(),
        job.settings,
        str(sql),
        topic,
        with_labels,
        seed,
        rate,
        snapshot_ms=job.started_ms,
    )


if __name__ == "__main__":
    run_job(
        publish_images,
        codes={5: "Kafka: unreachable, or no such topic", 7: "the query is refused"},
    )
