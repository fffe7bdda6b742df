"""Batch labels and evaluations, with small real ONNX models."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from labelmill.domain.codecs.png.codec import encode_png
from labelmill.errors import ArtifactError, InputError, MissingRow, NotAccepted, QueryRefused
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.evaluate.driver import evaluate
from labelmill.pipelines.evaluate.slice_rows import Slice
from labelmill.pipelines.freeze.driver import default_sql, freeze
from labelmill.pipelines.ingest.driver import ingest
from labelmill.pipelines.predict.driver import predict_images
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.records import aliases, models
from labelmill.store.schema.tables import EVALUATIONS, LABELS, MODEL_CHUNKS, TRIALS
from labelmill.training_sets.registry import find
from tests.helpers.image_folders import write_image_folder
from tests.helpers.small_models import small_artifact

IMAGES_OF_C = "select * from images where collection = 'c'"


@pytest.fixture
def versions(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> list[int]:
    """40 images as ``c``; versions 1 and 2 of model ``m``."""
    ingest(
        spark, settings, str(write_image_folder(tmp_path / "images", images=40, classes="abc")), "c"
    )
    for version in (1, 2):
        models.publish(client, "m", version, small_artifact(version), "", None)
    return [1, 2]


def test_labels_are_what_the_model_says(
    spark: SparkSession, settings: Settings, client: RowClient, versions: list[int]
) -> None:
    aliases.move(client, "m", "production", 2)
    predict_images(spark, settings, IMAGES_OF_C, "m", dry_run=True)
    assert not list(client.scan(LABELS)), "a dry run writes nothing"
    results = predict_images(spark, settings, IMAGES_OF_C, "m", threshold=0.9).results
    assert (results["rows"], results["version"], results["failed"]) == (40, 2, 0)
    freeze(spark, settings, default_sql("c"), "x")
    frozen, predictor = find(settings, "x"), Predictor(small_artifact(2))
    labels = {row["image_id"]: row for row in client.scan(LABELS)}
    for split in ("train", "validation", "test"):
        ids, images, _ = frozen.split(split)
        for image_id, probabilities in zip(ids, predictor.predict(list(images)), strict=True):
            row = labels.pop(image_id)
            assert row["probabilities"] == probabilities.astype("<f4").tobytes(), "the same bits"
            assert row["class"] == predictor.classes[probabilities.argmax()]
            assert row["decision"] == ("accepted" if probabilities.max() >= 0.9 else "review")
            assert (row["model"], row["version"], row["query"]) == ("m", 2, "")
    assert not labels
    predict_images(spark, settings, IMAGES_OF_C, "m", threshold=0.9)
    assert len(list(client.scan(LABELS))) == 40


def test_an_image_the_model_cannot_take_stops_nothing(
    spark: SparkSession, settings: Settings, client: RowClient, versions: list[int], tmp_path: Path
) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/1.png").write_bytes(encode_png(np.zeros((7, 5, 1), np.uint8)))
    ingest(spark, settings, str(tmp_path / "odd"), "c")
    report = predict_images(spark, settings, IMAGES_OF_C, "m", version=1)
    assert (report.results["rows"], report.results["failed"]) == (41, 1)
    assert "(4, 4, 1)" in report.tables["failures"][0]["error"]
    assert len(list(client.scan(LABELS))) == 40


def test_evaluation_counts_and_promotes_by_validation(
    spark: SparkSession, settings: Settings, client: RowClient, versions: list[int]
) -> None:
    client.ensure(TRIALS)
    for version, metric in ((1, 0.9), (2, 0.8)):
        client.write(TRIALS, [_trial(version, metric)])
    freeze(spark, settings, default_sql("c"), "x")
    report = evaluate(
        spark, settings, "m", Slice(training_set="x", split="train"), max_error=1.0, promote=True
    )
    assert report.results["promoted"] == {"alias": "production", "version": 1}
    assert aliases.resolve(client, "m", "production") == 1

    _, images, labels = find(settings, "x").split("train")
    for row in client.scan(EVALUATIONS):
        predictor = Predictor(small_artifact(int(str(row["version"]))))
        given = predictor.predict(list(images)).argmax(axis=1)
        assert row["rows"] == len(labels)
        assert row["accuracy"] == pytest.approx((given == labels).mean())
        matrix = np.zeros((3, 3), int)
        np.add.at(matrix, (labels, given), 1)
        assert json.loads(str(row["confusion"]))["matrix"] == matrix.tolist()
        assert row["accepted"] is True

    sql = default_sql("c")
    aliases.move(client, "m", "production", 2)
    missed = evaluate(spark, settings, "m", Slice(sql=sql), "1", max_error=0.0, promote=True)
    assert missed.exit_code == NotAccepted.exit_code
    assert "stays where it is" in str(missed.error)
    assert aliases.resolve(client, "m", "production") == 2
    by_query = evaluate(spark, settings, "m", Slice(sql=sql), versions="best:1")
    assert [row["version"] for row in by_query.tables["evaluations"]] == [1]
    assert by_query.results["rows"] == 40
    measured = [row for row in client.scan(EVALUATIONS) if row["version"] == 1]
    assert len(measured) == 2, (
        "the same query with the same answer is the same row, whenever it ran"
    )
    with pytest.raises(QueryRefused, match="rand"):
        evaluate(spark, settings, "m", Slice(sql=sql + " and rand() < 2"))


def test_invalid_arguments(
    spark: SparkSession, settings: Settings, client: RowClient, versions: list[int]
) -> None:
    on = Slice(sql=default_sql("c"))
    with pytest.raises(InputError, match="state the acceptable error first"):
        evaluate(spark, settings, "m", on, promote=True)
    with pytest.raises(InputError, match="best:3"):
        evaluate(spark, settings, "m", on, versions="newest")
    with pytest.raises(MissingRow, match="no version 7; versions: 1, 2"):
        evaluate(spark, settings, "m", on, versions="7")
    with pytest.raises(MissingRow, match="no alias 'production'"):
        predict_images(spark, settings, IMAGES_OF_C, "m")
    sha256 = models.load(client, "m", 1)[0]["sha256"]
    client.write(MODEL_CHUNKS, [{"sha256": sha256, "chunk": 0}], "delete_ignore")
    with pytest.raises(ArtifactError, match="chunk 0 of 1 is missing"):
        predict_images(spark, settings, IMAGES_OF_C, "m", version=1)


def _trial(version: int, metric: float) -> dict[str, object]:
    return {
        "sweep_id": "s",
        "trial_id": f"t{version}",
        "number": version,
        "setting": "{}",
        "state": "done",
        "metric": metric,
        "model": "m",
        "version": version,
        "finished_at": datetime.now(timezone.utc),
    }
