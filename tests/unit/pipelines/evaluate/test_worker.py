"""What a task counts, without Spark."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from labelmill.domain.models.artifact import pack
from labelmill.domain.models.preparation import Preparation
from labelmill.feed.training_set import TrainingSet
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.evaluate.predictions import predicted_classes
from labelmill.pipelines.evaluate.worker import CONFUSION_SCHEMA, confuse_batches
from tests.helpers.small_models import small_artifact
from tests.helpers.sweeps import two_bars


def counted(batches: list[pa.RecordBatch]) -> dict[tuple[int, str | None, str | None], int]:
    artifacts = SimpleNamespace(value={v: pack(small_artifact(v)) for v in (1, 2)})
    (found,) = confuse_batches(iter(batches), artifacts)  # type: ignore[arg-type]
    assert found.schema == CONFUSION_SCHEMA
    rows = found.to_pylist()
    return {(r["version"], r["truth"], r["predicted"]): r["rows"] for r in rows}


def batch(images: list[np.ndarray], truth: list[str | None]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([
        {
            "collection": "c", "image_id": str(n), "height": i.shape[0], "width": i.shape[1],
            "channels": 1, "dtype": "uint8", "pixels": i.tobytes(), "class": t,
        }
        for n, (i, t) in enumerate(zip(images, truth, strict=True))
    ])  # fmt: skip


def test_versions_are_counted_side_by_side() -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (30, 4, 4, 1), np.uint8))
    truth: list[str | None] = ["a", "b", "c"] * 10
    found = counted([batch(images[:20], truth[:20]), batch(images[20:], truth[20:])])
    expected: dict[tuple[int, str | None, str | None], int] = {}
    for version in (1, 2):
        predictor = Predictor(small_artifact(version))
        for name, best in zip(truth, predictor.predict(images).argmax(axis=1), strict=True):
            key = (version, name, predictor.classes[best])
            expected[key] = expected.get(key, 0) + 1
    assert found == expected


def test_images_are_paired_with_what_the_serving_version_says() -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (60, 4, 4, 1), np.uint8))
    truth: list[str | None] = ["a", "b", "c"] * 20
    artifacts = SimpleNamespace(value={v: pack(small_artifact(v)) for v in (1, 2)})
    (found,) = confuse_batches(iter([batch(images, truth)]), artifacts, serving=1)  # type: ignore[arg-type]
    right = {
        v: [
            predictor.classes[best] == name
            for best, name in zip(predictor.predict(images).argmax(axis=1), truth, strict=True)
        ]
        for v, predictor in ((v, Predictor(small_artifact(v))) for v in (1, 2))
    }
    pairs: Counter[tuple[bool, bool]] = Counter()
    for row in found.to_pylist():
        if row["version"] == 2:
            pairs[row["predicted"] == row["truth"], row["serving_right"]] += row["rows"]
    assert pairs == Counter(zip(right[2], right[1], strict=True))


def test_versions_share_a_preparation_and_shapes_share_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """600 images of 150 shapes, three versions of two preparations."""
    draw = np.random.default_rng(3)
    images = [draw.integers(0, 256, (4 + n % 15, 4 + n % 10, 1), np.uint8) for n in range(600)]
    shapes = {image.shape for image in images}
    resize = Preparation.parse(["grey", {"resize": [4, 4]}])
    other = Preparation.parse(["grey", {"resize": [4, 4]}, "invert"])
    predictors = {
        v: Predictor(dataclasses.replace(small_artifact(v), preparation=preparation))
        for v, preparation in ((1, resize), (2, resize), (3, other))
    }
    expected = {
        v: [int(one.predict([image]).argmax()) for image in images] for v, one in predictors.items()
    }
    prepared, runs = Counter[str](), Counter[int]()
    apply, run = Preparation.apply, Predictor.run
    monkeypatch.setattr(
        Preparation, "apply",
        lambda self, some: prepared.update({self.to_json(): len(some)}) or apply(self, some),
    )  # fmt: skip
    monkeypatch.setattr(
        Predictor, "run", lambda self, some: runs.update([id(self)]) or run(self, some)
    )
    whole = batch(images, ["a"] * len(images))
    found = predicted_classes(whole, predictors)
    assert {v: answers.tolist() for v, answers in found.items()} == expected
    assert prepared == {resize.to_json(): 600, other.to_json(): 600}, "once per preparation"
    assert set(runs.values()) == {3}, f"600 images are three batches, not {len(shapes)} shapes"


def test_an_image_that_cannot_be_prepared_and_a_row_without_class_are_counted_too() -> None:
    found = counted([batch([np.zeros((5, 5, 1), np.uint8)], ["a"])])
    assert found == {(1, "a", None): 1, (2, "a", None): 1}
    assert {key[1] for key in counted([batch([np.zeros((4, 4, 1), np.uint8)], [None])])} == {None}


def test_a_task_without_rows_counts_nothing() -> None:
    assert counted([]) == {}


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_training_set_is_read_from_its_shards(tmp_path: Path, split: str) -> None:
    frozen = TrainingSet.open(two_bars(tmp_path))
    paths = [
        p for p, s in zip(frozen.files(), frozen.manifest.shards, strict=True) if s.split == split
    ]
    found = counted([pa.RecordBatch.from_pydict({"shard": paths})])
    by_truth: dict[str | None, int] = {}
    for (version, truth, _), rows in found.items():
        by_truth[truth] = by_truth.get(truth, 0) + rows * (version == 1)
    assert by_truth == frozen.manifest.histogram[split]
