"""One trial of a sweep: what runs in an executor. Nothing here may import TensorFlow at the top."""

from __future__ import annotations

import importlib.util
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyspark import SparkFiles

from labelmill.domain.models.artifact import pack
from labelmill.domain.models.sweep_plan import Setting
from labelmill.errors import LabelmillError
from labelmill.feed.rows.shards import open_files

CANARIES = 8
"""Prepared images that go into the artifact with the answers the model gave to them."""


@dataclass(frozen=True)
class TrialTask:
    """What an executor must know to train one setting.

    Attributes:
        setting: Family, parameters, preparation.
        digest: Of the training set.
        shards: Names below the executor's `SparkFiles`, or paths and URIs.
        classes: In the order of class indices.
    """

    setting: Setting
    digest: str
    shards: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    Attributes:
        number: Of the setting.
        artifact: Its file, None when the trial failed.
        history: Metrics per epoch.
        error: What went wrong, empty when nothing did.
        unable: The executor lacks what training needs; no trial can succeed there.
        host: Where it ran.
        executor: Process number of the executor's worker daemon: another one for each executor.
        seconds: Training time, loading and preparing included.
    """

    number: int
    artifact: bytes | None = None
    history: tuple[dict[str, float], ...] = ()
    error: str = ""
    unable: bool = False
    host: str = ""
    executor: int = 0
    seconds: float = 0.0


@dataclass
class Prepared:
    """A training set as a model's input.

    Attributes:
        train: Float32 (N, H, W, C) and int64 (N,).
        validation: The same of the validation split; None when it is empty.
    """

    train: tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
    validation: tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]] | None


# The one cache of this module: an executor's worker trains many settings on the same images.
_CACHE: dict[tuple[str, str], Prepared] = {}


def run_trial(task: TrialTask) -> Outcome:
    """Trains one setting and returns everything about it; a setting that fails is an `Outcome` too."""
    started = time.monotonic()
    where = {"number": task.setting.number, "host": platform.node(), "executor": os.getppid()}
    if importlib.util.find_spec("keras") is None or importlib.util.find_spec("tensorflow") is None:
        return Outcome(
            error=f"TensorFlow is not installed in the executors ({platform.node()}): install "
            "labelmill[train] there",
            unable=True,
            **where,  # type: ignore[arg-type]
        )
    try:
        artifact, history = _train(task)
    except Exception as error:  # whatever a setting does wrong is its own result
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

    setting, data = task.setting, prepared(task)
    fitted = fit(setting.family, setting.parameters, data.train, data.validation, len(task.classes))
    # The first images of the train split, prepared: what the artifact's canary answers to.
    canaries = data.train[0][:CANARIES]
    artifact = export(
        fitted, setting.family, setting.parameters, setting.preparation, task.classes, canaries
    )
    return pack(artifact), tuple(fitted.history)


def prepared(task: TrialTask) -> Prepared:
    """The training set after the setting's preparation; kept for the next trial that wants the same.

    Raises:
        InputError: The preparation does not fit the images.
    """
    key = (task.digest, task.setting.preparation.to_json())
    if key not in _CACHE:
        _CACHE.clear()  # one at a time: executors have little memory
        _CACHE[key] = _prepare(task)
    return _CACHE[key]


def _prepare(task: TrialTask) -> Prepared:
    frozen = open_files(_located(task.shards))
    apply = task.setting.preparation.apply
    _, images, classes = frozen.split("train")
    _, held_images, held_classes = frozen.split("validation")
    held = None
    if len(held_images):
        held = apply(held_images), np.asarray(held_classes, np.int64)
    return Prepared((apply(images), np.asarray(classes, np.int64)), held)


def _located(shards: Sequence[str]) -> list[str]:
    return [name if "/" in name else SparkFiles.get(name) for name in shards]
