"""The whole road with more classes than a cell has room for: 200 classes of five images each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from labelmill.domain.codecs.png.codec import encode_png
from labelmill.domain.models.metrics import Evaluation
from labelmill.domain.models.sweep_plan import SweepPlan
from labelmill.domain.splits.assign import Division
from labelmill.pipelines.evaluate.driver import evaluate
from labelmill.pipelines.evaluate.slice_rows import Slice
from labelmill.pipelines.freeze.driver import freeze, truth_sql
from labelmill.pipelines.ingest.driver import ingest
from labelmill.pipelines.train.driver import sweep
from labelmill.serving.run_page import render
from labelmill.serving.run_reader import read_run
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.records import aliases, texts
from labelmill.store.schema.tables import EVALUATIONS, MODELS, SWEEPS, TRAINING_SETS
from labelmill.training_sets.assembly.options import Options
from labelmill.training_sets.registry import find

CLASSES = [f"$class_{n:03d}$ з довгою назвою, яка не вміщується" for n in range(200)]


@pytest.mark.train
def test_from_files_to_the_page(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    for number, name in enumerate(CLASSES):
        (tmp_path / "images" / name).mkdir(parents=True)
        for copy in range(5):
            draw = np.random.default_rng(10 * number + copy)
            pixels = draw.integers(0, 40, (8, 8, 1), np.uint8)
            # Bits of the number as bright pixels: any model learns some of it.
            for bit in range(8):
                pixels[bit, :4] += np.uint8(200 * (number >> bit & 1))
            (tmp_path / "images" / name / f"{copy}.png").write_bytes(encode_png(pixels))
    ingest(spark, settings, str(tmp_path / "images"), "many")
    usual = freeze(spark, settings, truth_sql("many"), "usual", Options(Division(stratify=True)))
    assert usual.results["splits"] == {"train": 800, "validation": 100, "test": 100}
    division = Division(fractions=(0.6, 0.2, 0.2), stratify=True)
    frozen = freeze(spark, settings, truth_sql("many"), "many", Options(division)).results
    assert frozen["splits"] == {"train": 600, "validation": 200, "test": 200}
    (row,) = [row for row in texts.read(client, TRAINING_SETS) if row["name"] == "many"]
    assert json.loads(str(row["classes"])) == CLASSES

    plan = SweepPlan.parse({
        "name": "many", "model": "many", "preparation": ["grey"],
        "fixed": {"family": "softmax", "epochs": 30, "batch_size": 32, "learning_rate": 0.05},
        "vary": {"seed": [1, 2]},
    })  # fmt: skip
    trained = sweep(spark, settings, plan, find(settings, "many"))
    assert (trained.exit_code, trained.results["failed"]) == (0, 0)
    assert trained.seconds > 0.5, "the report's clock runs from the start"
    (row,) = texts.read(client, SWEEPS)
    assert SweepPlan.parse(json.loads(str(row["plan"]))) == plan
    for row in texts.read(client, MODELS):
        assert json.loads(str(row["classes"])) == CLASSES

    on = Slice(training_set="many", split="test")
    report = evaluate(spark, settings, "many", on, max_error=0.9, promote=True)
    assert report.exit_code == 0, report.notes
    promoted = report.results["promoted"]["version"]
    assert promoted == trained.results["best_version"]
    assert aliases.resolve(client, "many", "production") == promoted
    for row in texts.read(client, EVALUATIONS):
        found = Evaluation.from_dict(json.loads(str(row["confusion"])))
        assert (found.rows, list(found.classes)) == (200, CLASSES)
        assert [score["support"] for score in json.loads(str(row["per_class"]))] == [1] * 200
    page = render(read_run(spark, settings, "many", "many"))
    assert f"Evaluation of version {promoted}" in page
    assert "161 others are one row and column" in page
    assert "$class_" in page
