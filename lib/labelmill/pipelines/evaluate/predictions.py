"""Which class each version gives to each image of a batch: prepared once, no row per image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.domain.models.preparation import Preparation
from labelmill.errors import ImageError, InputError
from labelmill.feed.files.columns import image_of
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.predict.worker import IMAGE_COLUMNS

UNPREPARED = -1
"""In place of a class: the image could not be prepared for this version."""

ROWS = 256
"""Images prepared at a time: float32 pixels of more would not fit into small executors."""

Indices = npt.NDArray[np.int64]
Prepared = list[tuple[Indices, npt.NDArray[np.float32]]]
"""Positions and float32 images ``(N, H, W, C)``, one pair for each shape after preparation."""


def predicted_classes(
    batch: pa.RecordBatch, predictors: Mapping[int, Predictor]
) -> dict[int, Indices]:
    """The most probable class of each image, by each version.

    Versions with the same preparation share the prepared images. Images are prepared by shape and
    predicted together, whatever shape they had.

    Args:
        batch: Columns `IMAGE_COLUMNS`.
        predictors: By version.

    Returns:
        Version → ``(N,)`` positions in its classes, or `UNPREPARED`.

    Raises:
        ArtifactError: A model's graph does not run; this is not the images' fault.
    """
    answers = {v: np.full(batch.num_rows, UNPREPARED, np.int64) for v in predictors}
    sharing: dict[str, list[int]] = defaultdict(list)
    for version, predictor in predictors.items():
        sharing[predictor.artifact.preparation.to_json()].append(version)
    for start in range(0, batch.num_rows, ROWS):
        images = _images_by_shape(batch.slice(start, ROWS))
        for versions in sharing.values():
            prepared = _prepare(predictors[versions[0]].artifact.preparation, images)
            for version in versions:
                _predict(predictors[version], prepared, answers[version][start : start + ROWS])
    return answers


def _images_by_shape(batch: pa.RecordBatch) -> list[tuple[list[int], list[npt.NDArray[Any]]]]:
    columns = [batch.column(name) for name in IMAGE_COLUMNS[2:]]
    *shapes, pixels = columns
    groups: dict[tuple[Any, ...], tuple[list[int], list[npt.NDArray[Any]]]] = {}
    for position, shape in enumerate(zip(*(c.to_pylist() for c in shapes), strict=True)):
        try:
            image = image_of(pixels[position], *shape)
        except InputError:
            continue
        positions, images = groups.setdefault(shape, ([], []))
        positions.append(position)
        images.append(image)
    return list(groups.values())


def _prepare(
    preparation: Preparation, groups: list[tuple[list[int], list[npt.NDArray[Any]]]]
) -> Prepared:
    found: dict[tuple[int, ...], list[tuple[list[int], npt.NDArray[np.float32]]]]
    found = defaultdict(list)
    for positions, images in groups:
        try:
            prepared = preparation.apply(images)
        except (InputError, ImageError, ValueError):
            continue
        found[prepared.shape[1:]].append((positions, prepared))
    return [
        (
            np.concatenate([np.asarray(positions, np.int64) for positions, _ in same]),
            np.concatenate([prepared for _, prepared in same]) if len(same) > 1 else same[0][1],
        )
        for same in found.values()
    ]


def _predict(predictor: Predictor, prepared: Prepared, answers: Indices) -> None:
    for positions, images in prepared:
        if images.shape[1:] == predictor.artifact.input_shape:
            answers[positions] = predictor.run(images).argmax(axis=1)
