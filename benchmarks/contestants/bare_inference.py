"""The bare loop of inference: arrays in memory, prepared once, ONNX Runtime a batch at a time.

Nothing is read, checked, labelled or written. It runs in as many processes as there are cores, started
before the clock, each with its models loaded and its share of the images.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator
from multiprocessing.pool import Pool

import numpy as np
import numpy.typing as npt

from benchmarks.data.drawn_models import CLASSES, drawn_artifact
from labelmill.inference.session import OnnxSession

BATCH = 256
_HELD: dict[str, list[OnnxSession]] = {}


@contextlib.contextmanager
def processes(count: int, versions: int) -> Iterator[Pool]:
    """A pool whose processes have loaded versions 1 to `versions`."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(count, _load, (versions,)) as pool:
        pool.map(_nothing, range(8 * count), chunksize=1)
        yield pool


def confused(pool: Pool, images: npt.NDArray[np.uint8], classes: npt.NDArray[np.int64]) -> int:
    """Counts truth × answer of all versions over ``(N, H, W, 1)`` images; returns N."""
    size = -(-len(images) // (4 * multiprocessing.cpu_count()))
    parts = [(images[n : n + size], classes[n : n + size]) for n in range(0, len(images), size)]
    counted = sum(pool.starmap(_confuse, parts, chunksize=1))
    return int(counted[0].sum())


def loaded() -> list[OnnxSession]:
    """In a process of the pool: its models."""
    return _HELD["models"]


def _load(versions: int) -> None:
    _HELD["models"] = [OnnxSession(drawn_artifact(v).onnx) for v in range(1, versions + 1)]


def _nothing(number: int) -> int:
    return number


def _confuse(
    images: npt.NDArray[np.uint8], classes: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    models, width = _HELD["models"], len(CLASSES)
    counted = np.zeros((len(models), width * width), np.int64)
    for start in range(0, len(images), BATCH):
        prepared = images[start : start + BATCH].astype(np.float32) / np.float32(255)
        truth = classes[start : start + BATCH]
        for number, model in enumerate(models):
            answers = model.run(prepared).argmax(axis=1)
            counted[number] += np.bincount(truth * width + answers, minlength=width * width)
    return counted
