"""Trains one setting of a sweep, in an executor. TensorFlow is imported only where it is used."""

from __future__ import annotations

import importlib.util
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from labelmill.domain.models.artifact import pack
from labelmill.domain.models.sweep_plan import Setting
from labelmill.errors import InputError, LabelmillError
from labelmill.feed.rows.shards import ShardReader, open_files
from labelmill.spark.shared_files import shard_path

LEARNED = ("train", "validation")
"""Splits that a trial gets."""

CANARIES = 8
"""Prepared images stored in the artifact together with the model's answers to them."""


@dataclass(frozen=True)
class TrialTask:
    """What an executor needs to know to train one setting.

    Attributes:
        setting: Family, parameters, preparation.
        sweep_id: The sweep that it belongs to.
        digest: Of the training set.
        shards: Names from `shared_shards`, of the splits `LEARNED`.
        classes: In the order of class indices.
        timeout: Seconds that preparation and training may take; None: any.
    """

    setting: Setting
    sweep_id: str
    digest: str
    shards: tuple[str, ...]
    classes: tuple[str, ...]
    timeout: float | None = None


@dataclass(frozen=True)
class Outcome:
    """The result of a trial.

    Attributes:
        number: Of the setting.
        artifact: The artifact's bytes; None when the trial failed.
        history: Metrics of each epoch that ended, also of a trial that failed later.
        error: Why the trial failed; empty when it did not.
        missing_software: The executor lacks software that training needs, so no trial can succeed.
        host: Where it ran.
        executor: Process number of the executor's worker daemon, which differs between executors.
        seconds: Training time, including loading and preparation.
    """

    number: int
    artifact: bytes | None = None
    history: tuple[dict[str, float], ...] = ()
    error: str = ""
    missing_software: bool = False
    host: str = ""
    executor: int = 0
    seconds: float = 0.0


Examples: TypeAlias = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
"""Prepared images and class indices."""


@dataclass
class PreparedData:
    """A training set as input of a model.

    Attributes:
        train: Float32 (N, H, W, C) and int64 (N,).
        validation: The same of the validation split; None when it is empty.
    """

    train: Examples
    validation: Examples | None


# A worker process trains many settings on the same images.
_CACHE: dict[tuple[str, str], PreparedData] = {}


def run_trial(task: TrialTask) -> Outcome:
    """Trains one setting; a setting that fails gives an `Outcome` with an error."""
    started = time.monotonic()
    where = {"number": task.setting.number, "host": platform.node(), "executor": os.getppid()}
    if importlib.util.find_spec("keras") is None or importlib.util.find_spec("tensorflow") is None:
        return Outcome(
            error=f"TensorFlow is not installed in the executors ({platform.node()}): install "
            "labelmill[train] there",
            missing_software=True,
            **where,  # type: ignore[arg-type]
        )
    history: list[dict[str, float]] = []
    try:
        artifact = _train(task, history)
    except Exception as error:  # a setting's failure is its result, not the sweep's
        text = (
            str(error) if isinstance(error, LabelmillError) else f"{type(error).__name__}: {error}"
        )
        return Outcome(
            error=text[:4000],
            history=tuple(history),
            seconds=time.monotonic() - started,
            **where,  # type: ignore[arg-type]
        )
    return Outcome(
        artifact=artifact,
        history=tuple(history),
        seconds=time.monotonic() - started,
        **where,  # type: ignore[arg-type]
    )


def _train(task: TrialTask, history: list[dict[str, float]]) -> bytes:
    """Trains and exports; adds to `history` epoch by epoch, so that a failure keeps what was before it."""
    from labelmill.learning.export import export
    from labelmill.learning.fit import fit

    # TensorFlow is imported now: a trial's time is its own work.
    began = time.monotonic()

    def on_epoch(number: int, metrics: Mapping[str, float]) -> None:
        history.append(dict(metrics))
        if task.timeout is not None and time.monotonic() - began > task.timeout:
            raise LabelmillError(f"took longer than {task.timeout:g} s; {number} epochs ended")

    setting, data = task.setting, prepared_data(task)
    fitted = fit(
        setting.family,
        setting.parameters,
        data.train,
        data.validation,
        len(task.classes),
        on_epoch,
    )
    # The canary: the first prepared images of the train split.
    canaries = data.train[0][:CANARIES]
    artifact = export(
        fitted, setting.family, setting.parameters, setting.preparation, task.classes, canaries
    )
    return pack(artifact)


def prepared_data(task: TrialTask) -> PreparedData:
    """The training set after the setting's preparation; cached for the next trial.

    Raises:
        InputError: The preparation does not fit the images.
    """
    key = (task.digest, task.setting.preparation.to_json())
    if key not in _CACHE:
        _CACHE.clear()  # only one is kept: executors have little memory
        _CACHE[key] = _prepare(task)
    return _CACHE[key]


def _prepare(task: TrialTask) -> PreparedData:
    frozen = open_files([shard_path(name) for name in task.shards])
    train = _prepared_split(frozen, task, "train")
    assert train is not None
    _require_different(train[0], task)
    return PreparedData(train, _prepared_split(frozen, task, "validation"))


def _prepared_split(frozen: ShardReader, task: TrialTask, split: str) -> Examples | None:
    if not frozen.has(split):
        return None
    classes = np.asarray(frozen.split_rows(split).take_targets(), np.int64)
    parts = frozen.image_parts(split)
    return task.setting.preparation.apply_parts(parts, len(classes)), classes


def _require_different(images: npt.NDArray[np.float32], task: TrialTask) -> None:
    """Raises InputError when the preparation makes all images one, of which nothing can be learned."""
    # Two images that differ end the search, so it costs nothing where all is well.
    if len(images) > 1 and all(np.array_equal(images[0], image) for image in images[1:]):
        raise InputError(
            f"the preparation {task.setting.preparation.to_json()} makes all {len(images):,} training images "
            "alike, so nothing can be learned. Of images whose shape is in their alpha channel, `grey` "
            "lays alpha on black; `background: 1` before it lays it on white"
        )
