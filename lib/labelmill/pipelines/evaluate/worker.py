"""What executors do for an evaluation: predict, and count a confusion matrix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
from pyspark import Broadcast, SparkFiles

from labelmill.domain.models.artifact import unpack
from labelmill.feed.rows.shards import open_files
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.predict.worker import labelled_rows

COUNTED = pa.schema(
    [
        ("version", pa.int32()),
        ("truth", pa.string()),
        ("predicted", pa.string()),
        ("rows", pa.int64()),
    ]
)
"""Confusion of one task; ``predicted`` is null where the image could not be prepared."""


def confuse_batches(
    batches: Iterator[pa.RecordBatch], artifacts: Broadcast[dict[int, bytes]]
) -> Iterator[pa.RecordBatch]:
    """Runs on executors: images with their truth to counts.

    Args:
        batches: Columns `IMAGE_COLUMNS` and ``class``, or only ``shard``: names or paths of a
            training set's files.
        artifacts: Version → artifact bytes.

    Yields:
        One batch of `COUNTED`.
    """
    predictors = {v: Predictor(unpack(data)) for v, data in artifacts.value.items()}
    counts: Counter[tuple[int, str, str | None]] = Counter()
    for batch in _opened(batches):
        truth = batch.column("class").to_pylist()
        for version, predictor in predictors.items():
            for row in labelled_rows(batch, predictor, 0.0):
                counts[version, truth[row["row"]], row.get("class")] += 1
    rows = [dict(zip(COUNTED.names, (*key, n), strict=True)) for key, n in counts.items()]
    yield pa.RecordBatch.from_pylist(rows, schema=COUNTED)


def _opened(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if batch.schema.names != ["shard"]:
            yield batch
            continue
        for shard in batch.column("shard").to_pylist():
            path = shard if "/" in shard else SparkFiles.get(shard)
            for table in open_files([path]).tables:
                yield from table.to_batches(max_chunksize=1024)
