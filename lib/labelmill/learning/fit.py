"""One training run: one compiled pass over the images per epoch, with reproducible bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from labelmill.domain.models.parameters import check_values, resolve
from labelmill.errors import InputError, LabelmillError, NoData
from labelmill.learning.compiled_epoch import Epochs
from labelmill.learning.families import FAMILIES

Examples: TypeAlias = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
"""Prepared images ``(N, H, W, C)`` float32 and class indices ``(N,)`` int64."""

OnEpoch: TypeAlias = Callable[[int, Mapping[str, float]], None]
"""Called after each epoch with its number, from 1, and its metrics."""


@dataclass(frozen=True)
class Fitted:
    """The result of a training run.

    Args:
        model: The trained ``keras.Model``, ``images`` → ``probabilities``.
        parameters: All learning parameters, with defaults.
        history: Metrics of each epoch: ``train_loss`` (with the penalty) and ``train_accuracy``, means
            over the epoch's steps; with a validation split also ``validation_loss`` (without the
            penalty) and ``validation_accuracy``, after the epoch.
    """

    model: Any
    parameters: dict[str, object]
    history: list[dict[str, float]]


def fit(
    family: str,
    parameters: Mapping[str, object],
    train: Examples,
    validation: Examples | None,
    n_classes: int,
    on_epoch: OnEpoch | None = None,
) -> Fitted:
    """Trains one model on one core.

    An epoch goes through the images in a seeded permutation, in whole batches; the remainder is left
    out of that epoch. If there are fewer images than ``batch_size``, all of them are one batch.

    Args:
        family: Name of a family.
        parameters: Learning parameters; the family's defaults for missing ones.
        train: Images and classes to learn from.
        validation: Images and classes to measure after each epoch.
        n_classes: Number of outputs.
        on_epoch: Called after each epoch.

    Raises:
        UnknownName: No such family or parameter.
        InputError: An invalid value (batch size 0), or arrays whose shapes do not match.
        NoData: No images to learn from.
        LabelmillError: The loss is no longer a finite number.
    """
    resolved = resolve(family, parameters)
    check_values(resolved)
    images, classes = _check("train", train, n_classes)
    if len(images) == 0:
        raise NoData("the train split holds no images: nothing can be learned")
    held_out = None if validation is None else _check("validation", validation, n_classes)
    if held_out is not None and held_out[0].shape[1:] != images.shape[1:]:
        raise InputError(
            f"train images are {images.shape[1:]}, validation images {held_out[0].shape[1:]}; they must agree"
        )
    height, width, channels = images.shape[1:]
    model = FAMILIES[family]((height, width, channels), n_classes, resolved)
    epochs = Epochs(model, resolved, images, classes)
    history: list[dict[str, float]] = []
    for number in range(1, epochs.count + 1):
        loss, accuracy = epochs.run(number)
        metrics = {"train_loss": loss, "train_accuracy": accuracy}
        if held_out is not None and len(held_out[0]):
            metrics["validation_loss"], metrics["validation_accuracy"] = epochs.measure(*held_out)
        if not all(math.isfinite(value) for value in metrics.values()):
            raise LabelmillError(
                f"diverged: the loss of epoch {number} is {loss}, expected a number; "
                f"lower the learning rate ({resolved['learning_rate']}) or the momentum"
            )
        history.append(metrics)
        if on_epoch is not None:
            on_epoch(number, metrics)
    return Fitted(model, resolved, history)


def _check(split: str, examples: Examples, n_classes: int) -> Examples:
    images, classes = examples
    if images.ndim != 4 or classes.ndim != 1 or len(images) != len(classes):
        raise InputError(
            f"expected {split} images (N, H, W, C) and classes (N,), received {images.shape} and {classes.shape}"
        )
    if len(classes) and not (classes.min() >= 0 and classes.max() < n_classes):
        raise InputError(
            f"expected {split} classes of 0 to {n_classes - 1}, received {classes.min()} to {classes.max()}"
        )
    return images.astype(np.float32, copy=False), classes.astype(np.int64, copy=False)
