"""What executors do for an evaluation: predict and count a confusion matrix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark import Broadcast

from labelmill.domain.models.artifact import unpack
from labelmill.feed.rows.shards import open_files
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.evaluate.predictions import Indices, predicted_classes
from labelmill.spark.shared_files import shard_path

CONFUSION_SCHEMA = pa.schema(
    [
        ("version", pa.int32()),
        ("truth", pa.string()),
        ("predicted", pa.string()),
        ("serving_right", pa.bool_()),
        ("rows", pa.int64()),
    ]
)
"""Counts of one task; ``predicted`` is null for images that could not be prepared,
``serving_right`` is null where nothing is compared."""


def confuse_batches(
    batches: Iterator[pa.RecordBatch],
    artifacts: Broadcast[dict[int, bytes]],
    serving: int | None = None,
) -> Iterator[pa.RecordBatch]:
    """Runs on executors (``mapInArrow``): images with their true classes to counts.

    Args:
        batches: Columns `IMAGE_COLUMNS` and ``class``; or only ``shard``, with names from
            `shared_shards` of a training set's files.
        artifacts: Artifact bytes by version.
        serving: Version among them with which the others are compared, image by image.

    Yields:
        One batch of `CONFUSION_SCHEMA`.
    """
    predictors = {v: Predictor(unpack(data)) for v, data in artifacts.value.items()}
    counts: Counter[tuple[int, str, str | None, bool | None]] = Counter()
    for batch in _image_batches(batches):
        truth = batch.column("class").dictionary_encode()
        names = [*truth.dictionary.to_pylist(), None]
        codes = truth.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)
        predicted = predicted_classes(batch, predictors)
        right = np.zeros(len(codes), np.int64)
        if serving is not None:
            right = _right(predicted[serving], predictors[serving].classes, codes, names)
        for version, found in predicted.items():
            # One row per combination that occurs: truth, class + 1 (0: unprepared), right there.
            keys, rows = np.unique(np.stack([codes, found + 1, right]), axis=1, return_counts=True)
            classes = (None, *predictors[version].classes)
            for (code, index, there), images in zip(keys.T.tolist(), rows.tolist(), strict=True):
                on = None if serving is None else bool(there)
                counts[version, names[code], classes[index], on] += images
    rows_out = [
        dict(zip(CONFUSION_SCHEMA.names, (*key, n), strict=True)) for key, n in counts.items()
    ]
    yield pa.RecordBatch.from_pylist(rows_out, schema=CONFUSION_SCHEMA)


def _right(
    predicted: Indices, classes: Sequence[str], codes: npt.NDArray[Any], names: Sequence[str | None]
) -> Indices:
    """1 where the prediction is the truth, else 0."""
    code_of = {name: code for code, name in enumerate(names)}
    # The last entry is that of `UNPREPARED`.
    of_class = np.array([*(code_of.get(name, -1) for name in classes), -1], np.int64)
    right: Indices = (of_class[predicted] == codes).astype(np.int64)
    return right


def _image_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    # Batches that name shards are replaced by the rows of those shards.
    for batch in batches:
        if batch.schema.names != ["shard"]:
            yield batch
            continue
        for shard in batch.column("shard").to_pylist():
            for table in open_files([shard_path(shard)]).tables:
                yield from table.to_batches(max_chunksize=1024)
