"""The jobs on executors of their own: what the stream labels, offline prediction labels the same."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from labelmill.domain.codecs.png.codec import encode_png
from labelmill.pipelines.ingest.driver import ingest
from labelmill.pipelines.publish.driver import publish_folder
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from tests.helpers.streams import StreamFixture

COMPARED = ("class", "probability", "probabilities", "entropy", "decision")


@pytest.fixture
def stream(settings: Settings, client: RowClient, tmp_path: Path) -> StreamFixture:
    return StreamFixture.make(settings, client, tmp_path)


def write_images(folder: Path, count: int, seed: int) -> None:
    """4×4 noise: grey, colour, 16 bits; the model's preparation makes all of them grey."""
    random = np.random.default_rng(seed)
    kinds = [((4, 4, 1), np.uint8), ((4, 4, 3), np.uint8), ((4, 4, 1), np.uint16)]
    folder.mkdir(parents=True)
    for number in range(count):
        shape, dtype = kinds[number % 3]
        pixels = random.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
        (folder / f"{number}.png").write_bytes(encode_png(pixels))


def test_the_stream_equals_offline_prediction_exactly(
    spark: SparkSession,
    stream: StreamFixture,
    submit: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    images_folder = stream.folder / "images"
    write_images(images_folder / "a", 15, 1)
    write_images(images_folder / "b", 18, 2)
    ingest(spark, stream.settings, str(images_folder), "c")
    # Both ways into a topic: files byte for byte, and pixels as they are stored.
    publish_folder(stream.settings, images_folder / "a", stream.topic, "c")
    executors = ["--master", "local-cluster[2,1,1024]"]
    query = "select * from images where uri like 'b/%'"
    submit(*executors, "jobs/publish_images.py", "--topic", stream.topic, "--sql", query)
    submit(
        *executors, "jobs/label_stream.py", "--topic", stream.topic, "--model", "small",
        "--checkpoint", (stream.folder / "q").as_uri(), "--max-per-batch", 20,
        "--until-drained", "--at-least", 33,
    )  # fmt: skip
    streamed = {row["image_id"]: row for row in stream.labels()}
    assert len(streamed) == 33
    assert all(row["query"] for row in streamed.values())

    submit(
        *executors, "jobs/predict_images.py", "small", "--collection", "c", "--version", 1
    )  # fmt: skip
    offline = {row["image_id"]: row for row in stream.labels()}
    assert len(offline) == 33
    assert not any(row["query"] for row in offline.values()), "the same keys, written again"
    for image_id, row in streamed.items():
        assert [row[name] for name in COMPARED] == [offline[image_id][name] for name in COMPARED]
    assert {row["decision"] for row in offline.values()} == {"accepted", "review"}
