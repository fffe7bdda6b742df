"""Trains one setting of a sweep, in an executor. TensorFlow is imported only where it is used."""

from __future__ import annotations

import importlib.util
import os
import platform
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelmill.domain.models.artifact import pack
from labelmill.domain.models.sweep_plan import Setting
from labelmill.errors import LabelmillError
from labelmill.feed.rows.shards import open_files
from labelmill.spark.shared_files import shard_path

CANARIES = 8
"""Prepared images stored in the artifact together with the model's answers to them."""


@dataclass(frozen=True)
class TrialTask:
    """What an executor needs to know to train one setting.

    Attributes:
        setting: Family, parameters, preparation.
        digest: Of the training set.
        shards: Names from `shared_shards`.
        classes: In the order of class indices.
    """

    setting: Setting
    digest: str
    shards: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """The result of a trial.

    Attributes:
        number: Of the setting.
        artifact: The artifact's bytes; None when the trial failed.
        history: Metrics per epoch.
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


@dataclass
class PreparedData:
    """A training set as input of a model.

    Attributes:
        train: Float32 (N, H, W, C) and int64 (N,).
        validation: The same of the validation split; None when it is empty.
    """

    train: tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
    validation: tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]] | None


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
    try:
        artifact, history = _train(task)
    except Exception as error:  # a setting's failure is its result, not the sweep's
        text = (
            str(error) if isinstance(error, LabelmillError) else f"{type(error).__name__}: {error}"
        )
        return Outcome(error=text[:4000], seconds=time.monotonic() - started, **where)  # type: ignore[arg-type]
    return Outcome(
        artifact=artifact,
        history=history,
        seconds=time.monotonic() - started,
        **where,  # type: ignore[arg-type]
    )


def _train(task: TrialTask) -> tuple[bytes, tuple[dict[str, float], ...]]:
    from labelmill.learning.export import export
    from labelmill.learning.fit import fit

    setting, data = task.setting, prepared_data(task)
    fitted = fit(setting.family, setting.parameters, data.train, data.validation, len(task.classes))
    # The canary: the first prepared images of the train split.
    canaries = data.train[0][:CANARIES]
    artifact = export(
        fitted, setting.family, setting.parameters, setting.preparation, task.classes, canaries
    )
    return pack(artifact), tuple(fitted.history)


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
    apply = task.setting.preparation.apply
    _, images, classes = frozen.split("train")
    _, held_images, held_classes = frozen.split("validation")
    held = None
    if len(held_images):
        held = apply(held_images), np.asarray(held_classes, np.int64)
    return PreparedData((apply(images), np.asarray(classes, np.int64)), held)
