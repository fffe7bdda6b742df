"""What executors do for a prediction: images in, rows of ``labels`` out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from labelmill.errors import InputError
from labelmill.feed.files.columns import image_of
from labelmill.inference.cache import predictor_of
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.predict.labels import label_columns, storable

IMAGE_COLUMNS = ("collection", "image_id", "height", "width", "channels", "dtype", "pixels")
"""The columns of a slice that prediction needs."""

LABELLED_SCHEMA = pa.schema(
    [
        ("collection", pa.string()),
        ("image_id", pa.string()),
        ("class", pa.string()),
        ("probability", pa.float32()),
        ("probabilities", pa.binary()),
        ("entropy", pa.float32()),
        ("decision", pa.string()),
        ("error", pa.string()),
    ]
)
"""What comes back: one row per image; ``error`` is null, or the reason why there is no label."""


def predict_batches(
    batches: Iterator[pa.RecordBatch],
    artifact: Callable[[], bytes],
    sha256: str,
    threshold: float,
) -> Iterator[pa.RecordBatch]:
    """Runs on executors (``mapInArrow``): images to labels.

    Args:
        batches: Columns `IMAGE_COLUMNS`.
        artifact: Returns the artifact's bytes; called when this worker has no predictor of it yet.
        sha256: Of the artifact.
        threshold: Lowest probability that is accepted, 0..1.

    Yields:
        Batches of `LABELLED_SCHEMA`, one row per image.

    Raises:
        ArtifactError: The artifact is not what was stored.
    """
    for batch in batches:
        if batch.num_rows:
            rows = label_rows(batch, predictor_of(sha256, artifact), threshold)
            yield pa.RecordBatch.from_pylist(rows, schema=LABELLED_SCHEMA)


def label_rows(
    batch: pa.RecordBatch, predictor: Predictor, threshold: float
) -> list[dict[str, Any]]:
    """Labels one batch; an image that cannot be prepared gets an ``error`` and affects no other.

    Returns:
        Dicts of `LABELLED_SCHEMA` in the batch's order; ``row`` is the position in the batch.

    Raises:
        ArtifactError: The model's graph does not run; this is not the images' fault.
    """
    columns = [batch.column(name) for name in IMAGE_COLUMNS]
    collections, ids, *shapes = (column.to_pylist() for column in columns[:-1])
    rows: list[dict[str, Any]] = []
    images: list[tuple[int, Any]] = []
    for position, shape in enumerate(zip(*shapes, strict=True)):
        row: dict[str, Any] = {
            "row": position,
            "collection": collections[position],
            "image_id": ids[position],
        }
        rows.append(row)
        try:
            images.append((position, image_of(columns[-1][position], *shape)))
        except InputError as error:
            row["error"] = str(error)[:1000]
    answers = label_columns(predictor, [image for _, image in images], threshold)
    for (position, _), answer in zip(images, answers, strict=True):
        if isinstance(answer, dict):
            rows[position] |= storable(answer)
        else:
            rows[position]["error"] = str(answer)[:1000]
    return rows
