"""The bare loop of a sweep: each setting trained on prepared arrays, in as many processes as cores."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Iterator
from multiprocessing.pool import Pool

import numpy as np

from benchmarks.data.digits import Digits
from labelmill.domain.models.sweep_plan import Setting, SweepPlan

_HELD: dict[str, tuple[np.ndarray, np.ndarray]] = {}


@contextlib.contextmanager
def processes(count: int, held: Digits) -> Iterator[Pool]:
    """A pool whose processes hold the prepared images and have loaded TensorFlow."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(count, _load, (held.images, held.classes)) as pool:
        pool.map(_nothing, range(4 * count), chunksize=1)
        yield pool


def trained(pool: Pool, plan: SweepPlan) -> int:
    """Trains every setting of the plan; returns how many there are."""
    return sum(pool.map(_train, plan.settings(), chunksize=1))


def _load(images: np.ndarray, classes: np.ndarray) -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from labelmill.learning import fit  # noqa: F401

    _HELD["train"] = images.astype(np.float32) / np.float32(255), classes


def _nothing(number: int) -> int:
    return number


def _train(setting: Setting) -> int:
    from labelmill.learning.fit import fit

    fit(setting.family, setting.parameters, _HELD["train"], None, 10)
    return 1
