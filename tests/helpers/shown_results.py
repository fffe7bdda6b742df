"""One result of every kind as the public face shows it, drawn and counted without servers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from labelmill.api.results.evaluation import EvaluationResult
from labelmill.api.results.freeze import FreezeResult
from labelmill.api.results.ingest import ingest_result
from labelmill.api.results.labels import LabelResult
from labelmill.api.results.predictions import Predictions
from labelmill.api.results.sweep import SweepResult
from labelmill.api.results.training_set import TrainingSet
from labelmill.domain.models.metrics import evaluate
from labelmill.domain.models.promotion import verdict
from labelmill.feed.files.columns import About, columns_of
from labelmill.pipelines.evaluate.candidates import Candidate
from labelmill.spark.report import Report
from labelmill.training_sets.writer import Rows, write_training_set


def training_set(
    folder: Path, classes: list[str], each: int = 6, target: str = "class"
) -> TrainingSet:
    """Images of 8×8, as bright as their class' index; every third is a test image."""
    rng, rows = np.random.default_rng(0), []
    for number in range(each * len(classes)):
        index = number % len(classes)
        pixels = rng.integers(0, 100, (8, 8), dtype=np.uint8) + np.uint8(
            150 * index // len(classes)
        )
        row = {
            "collection": "c", "image_id": f"{number:05d}", "height": 8, "width": 8, "channels": 1,
            "split": "test" if number // len(classes) % 3 == 2 else "train", "dtype": "uint8",
            "pixels": pixels.tobytes(),
        }  # fmt: skip
        if target == "class":
            row["class"] = classes[index]
        elif target == "classes":
            row["classes"] = sorted({classes[index], classes[0]})
        rows.append(row)
    rows.sort(key=lambda row: (row["split"], row["image_id"]))
    described = {
        "name": "drawn <images>", "sql": "drawn", "parameters": {}, "snapshot_ms": 0,
        "splitting": {}, "created_at": "",
    }  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=columns_of("images", target))
    named = classes if target != "none" else []
    content = Rows.from_table(table, About("images", target, named))
    _, location, _ = write_training_set(content, str(folder), described)
    return TrainingSet.open(location)


def freeze_result(folder: Path) -> FreezeResult:
    """Of the training set of three classes."""
    made = training_set(folder, ["a", "b", "c"])
    report = Report("freeze_training_set")
    for key in ("digest", "name", "rows", "kind", "target", "classes", "snapshot_ms"):
        report.put(key, getattr(made.manifest, key))
    report.put("splits", {"train": 12, "test": 6})
    report.put("location", made.location)
    report.put("already_frozen", False)
    return FreezeResult.of(report)


def evaluation(
    classes: list[str], rows: int = 400, max_error: float | None = 0.1, wrong: float = 0.08
) -> EvaluationResult:
    """Two versions; the first is better by validation."""
    rng = np.random.default_rng(1)
    judged = []
    for version, metric in ((3, 0.97), (4, 0.95)):
        truth = rng.integers(0, len(classes), rows)
        other = rng.integers(0, len(classes), rows)
        predicted = np.where(rng.random(rows) < wrong, other, truth)
        found = evaluate([classes[n] for n in truth], [classes[n] for n in predicted], classes)
        judged.append((Candidate(version, metric), found, verdict(found, max_error)))
    report = Report("evaluate_models")
    report.put("model", "digits")
    report.put("slice", "training set 0f <b> split test")
    report.put("rows", rows)
    report.note("version 3: error is small")
    return EvaluationResult.of(report, judged, max_error)


def ingestion(dry_run: bool = False, bad: int = 3) -> object:
    """An ingest with quarantined and skipped files."""
    report = Report("ingest_images")
    report.put("source", "folder <b>")
    report.put("collection", "digits")
    report.put("files", 1800)
    report.put("bytes", 200_000)
    if dry_run:
        report.put("would_take", 1797)
    else:
        for name, value in (("new", 1790), ("already_there", 7), ("repeated_in_source", 0),
                            ("annotations", 1790), ("conflicts", 2)):  # fmt: skip
            report.put(name, value)
    report.put("quarantined", bad)
    report.put("quarantined_by_reason", {"truncated": 2, "not_png": 1} if bad else {})
    report.put("skipped", {"hidden file": 4, "not an image by its name (.txt)": 1} if bad else {})
    report.put("classes", 2)
    report.put("files_by_class", {"cat": 1000, "dog <b>": 790})
    report.put("classes_from", {"folder": 1790})
    report.put("splits", {"test": 500, "train": 1290})
    report.put("in_several_splits", 0)
    report.put("images_per_second", 812.4)
    report.put("slowest_part", "writing to Kudu: 60 % of 3.1 s of workers")
    if bad:
        message = "expected a PNG, received text <script>alert(1)</script>"
        report.table(
            "first_quarantined", [{"uri": "a/<1>.png", "reason": "not_png", "message": message}]
        )
        report.note("conflicts are images whose imports name different classes")
    return ingest_result(report)


def sweep(trials: int = 6) -> SweepResult:
    """A sweep whose last trial failed."""
    report = Report("train_models")
    for name, value in (("sweep_id", "0123456789abcdef"), ("model", "digits"), ("training_set", "ab" * 32),
                        ("trials", trials), ("ran", trials), ("skipped", 0), ("failed", 1),
                        ("executors", 2), ("metric", "validation_accuracy"), ("best_metric", 0.98),
                        ("best_version", 2), ("best_setting", {"family": "mlp"})):  # fmt: skip
        report.put(name, value)
    rows = [
        {"number": n, "setting": f"mlp learning_rate=0.0{n} <i>", "state": "done", "seconds": 1.5,
         "validation_accuracy": 0.98 if n == 1 else 0.9, "version": n + 1}
        for n in range(trials - 1)
    ]  # fmt: skip
    failed = {"number": trials - 1, "setting": "mlp", "state": "failed", "seconds": None,
              "validation_accuracy": None, "version": None}  # fmt: skip
    report.table("trials", [*rows, failed])
    report.note(f"trial {trials - 1} failed: loss is not finite")
    return SweepResult.of(report)


def labels(classes: int = 10) -> LabelResult:
    """Labels of a slice."""
    report = Report("predict_images")
    for name, value in (("model", "digits"), ("version", 3), ("rows", 1800), ("accepted", 1700),
                        ("review", 99), ("failed", 1), ("written", True)):  # fmt: skip
        report.put(name, value)
    report.put("classes", {f"class {n} <b>": 10 + n * 7 % 50 for n in range(classes)})
    report.table("failures", [{"images": 1, "error": "an image of (7, 5, 1) <script>"}])
    return LabelResult.of(report)


def predictions(
    images: int = 9, classes: tuple[str, ...] = ("cat", "dog", "<bird>")
) -> Predictions:
    """Predictions for drawn images."""
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet(np.full(len(classes), 0.5), images).astype(np.float32)
    best = probabilities.max(axis=1)
    return Predictions(
        "pets:3",
        classes,
        probabilities,
        tuple("accepted" if p >= 0.6 else "review" for p in best),
        tuple(f"folder/{n}.png" for n in range(images)),
        [rng.integers(0, 256, (16, 12, 3), dtype=np.uint8) for _ in range(images)],
    )
