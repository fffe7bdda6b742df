"""What executors do for an evaluation: predict and count a confusion matrix."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
from pyspark import Broadcast

from labelmill.domain.models.artifact import unpack
from labelmill.feed.rows.shards import open_files
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.predict.worker import label_rows
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
        truth = batch.column("class").to_pylist()
        predicted = {v: _classes(batch, predictor) for v, predictor in predictors.items()}
        right: list[bool | None] = [None] * len(truth)
        if serving is not None:
            right = [p == t for p, t in zip(predicted[serving], truth, strict=True)]
        for version, classes in predicted.items():
            counts.update(zip(itertools.repeat(version), truth, classes, right, strict=False))
    rows = [dict(zip(CONFUSION_SCHEMA.names, (*key, n), strict=True)) for key, n in counts.items()]
    yield pa.RecordBatch.from_pylist(rows, schema=CONFUSION_SCHEMA)


def _classes(batch: pa.RecordBatch, predictor: Predictor) -> list[str | None]:
    return [row.get("class") for row in label_rows(batch, predictor, 0.0)]


def _image_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    # Batches that name shards are replaced by the rows of those shards.
    for batch in batches:
        if batch.schema.names != ["shard"]:
            yield batch
            continue
        for shard in batch.column("shard").to_pylist():
            for table in open_files([shard_path(shard)]).tables:
                yield from table.to_batches(max_chunksize=1024)
