"""What executors do for a prediction: images in, rows of `labels` out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from labelmill.errors import ImageError, InputError
from labelmill.feed.files.columns import image_of
from labelmill.inference.cache import predictor_of
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.predict.decide import label_columns

IMAGE_COLUMNS = ("collection", "image_id", "height", "width", "channels", "dtype", "pixels")
"""What prediction needs of a slice."""


LABELLED = pa.schema(
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
"""What comes back; ``error`` is null for a labelled image, else it says why there is no label."""


def predict_batches(
    batches: Iterator[pa.RecordBatch],
    artifact: Callable[[], bytes],
    sha256: str,
    bound: float,
) -> Iterator[pa.RecordBatch]:
    """Runs on executors: images to labels.

    Args:
        batches: Columns `IMAGE_COLUMNS`.
        artifact: Gives the artifact's bytes when this worker has no warm predictor of it.
        sha256: Of the artifact.
        bound: Least probability that is accepted, 0..1.

    Yields:
        Batches of `LABELLED`, one row an image, in another order than received.

    Raises:
        ArtifactError: The artifact is not what was stored.
    """
    for batch in batches:
        if batch.num_rows:
            rows = labelled_rows(batch, predictor_of(sha256, artifact), bound)
            yield pa.RecordBatch.from_pylist(rows, schema=LABELLED)


def labelled_rows(
    batch: pa.RecordBatch, predictor: Predictor, bound: float
) -> list[dict[str, Any]]:
    """Labels of one batch; an image that cannot be prepared gets ``error`` and stops nothing.

    Returns:
        Dicts of `LABELLED`; ``row`` is the place in the batch.

    Raises:
        ArtifactError: The model's graph does not run: no fault of the images.
    """
    columns = [batch.column(name) for name in IMAGE_COLUMNS]
    collections, ids, *shapes = (column.to_pylist() for column in columns[:-1])
    rows: list[dict[str, Any]] = []
    # Images of one shape are prepared together, as in the stream.
    groups: dict[tuple[Any, ...], list[tuple[int, Any]]] = defaultdict(list)
    for place, shape in enumerate(zip(*shapes, strict=True)):
        known: dict[str, Any] = {
            "row": place,
            "collection": collections[place],
            "image_id": ids[place],
        }
        rows.append(known)
        try:
            groups[shape].append((place, image_of(columns[-1][place], *shape)))
        except InputError as error:
            known["error"] = str(error)[:1000]
    for group in groups.values():
        try:
            answers = label_columns(predictor, [image for _, image in group], bound)
            for (place, _), answer in zip(group, answers, strict=True):
                rows[place] |= answer
        except (InputError, ImageError) as error:
            for place, _ in group:
                rows[place]["error"] = str(error)[:1000]
    return rows
