"""The page of a run, read from the catalogue: what grows with the stream does not grow the page."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from pyspark.sql import SparkSession

from labelmill.pipelines.ingest.driver import ingest
from labelmill.serving.run_page import render
from labelmill.serving.run_reader import MARKS, read_run
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import IMAGES, LABELS, STREAM_BATCHES
from tests.helpers.image_folders import write_image_folder

START = datetime(2025, 11, 2, 5, 0, tzinfo=timezone.utc)
BATCHES = 5000


def test_thousands_of_micro_batches_are_binned_and_no_image_is_lost(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    ingest(spark, settings, str(write_image_folder(tmp_path / "heap", images=12)), "c")
    images = [row["image_id"] for row in client.scan(IMAGES, ["image_id"])]
    client.ensure(STREAM_BATCHES)
    client.ensure(LABELS)
    client.write(STREAM_BATCHES, [_batch(number) for number in range(BATCHES)])
    client.write(LABELS, [_label(image, n) for n, image in enumerate([*images, "f" * 64])])
    run = read_run(spark, settings, "c", "m")
    assert 2 <= len(run.batches) <= MARKS + 2
    assert sum(mark.batches for mark in run.batches) == BATCHES
    assert sum(mark.rows for mark in run.batches) == 3 * BATCHES
    assert {mark.version for mark in run.batches} == {1, 2}
    # In UTC, whatever the zone of this process.
    assert run.batches[0].started_at == START
    assert START + timedelta(seconds=BATCHES - 60) < run.batches[-1].started_at
    assert [card.image_id for card in run.cards] == images, (
        "all wrong, by probability; only stored images"
    )
    assert all(card.pixels is not None for card in run.cards)
    assert len(render(run)) < 2_000_000


def _batch(number: int) -> dict[str, object]:
    return {
        "query": "q", "batch_id": number, "model": "m", "version": 1 + (number >= BATCHES // 2),
        "state": "done", "rows": 3, "dead": 0, "milliseconds": 900,
        "started_at": START + timedelta(seconds=number),
    }  # fmt: skip


def _label(image: str, number: int) -> dict[str, object]:
    return {
        "collection": "c", "image_id": image, "model": "m", "version": 1, "class": "z",
        "probability": 0.01 * number, "probabilities": b"", "entropy": 0.0, "decision": "review",
        "query": "q", "batch_id": 0, "labelled_at": START,
    }  # fmt: skip
