"""How long a fresh process waits for its first batch; ``python -m … WAY WHERE`` prints milliseconds.

Modules are loaded before the clock, TensorFlow itself has done nothing yet; peers have its own settings,
we have ours. WHERE is a training set
(``ours``), or a folder with ``images.npy`` and ``classes.npy``, which are read before the clock.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure.machine import ROOT
from labelmill.feed.training_set import TrainingSet
from labelmill.learning.runtime import tensorflow

BATCH = 128


def ours(where: str) -> Callable[[], Any]:
    """Opened, verified, shuffled."""
    import labelmill.feed.tf.dataset  # noqa: F401  # what `.tf()` imports

    tensorflow()
    return lambda: TrainingSet.open(where).tf(BATCH)


def slices(where: str) -> Callable[[], Any]:
    """What one writes with TensorFlow alone, over arrays that are in memory already."""
    import tensorflow as tf

    arrays = _arrays(where)
    data = tf.data.Dataset
    return lambda: data.from_tensor_slices(arrays).shuffle(len(arrays[1])).batch(BATCH)


def generator(where: str) -> Callable[[], Any]:
    """Whole batches from Python, unshuffled: the least that anything in Python needs to feed TensorFlow."""
    import tensorflow as tf

    images, classes = _arrays(where)

    def batches() -> Iterator[Any]:
        for start in range(0, len(images), BATCH):
            yield images[start : start + BATCH], classes[start : start + BATCH]

    signature = (
        tf.TensorSpec((None, *images.shape[1:]), tf.uint8),
        tf.TensorSpec((None,), tf.int64),
    )
    return lambda: tf.data.Dataset.from_generator(batches, output_signature=signature)


def ready(where: str) -> Callable[[], Any]:
    """One batch that is there already."""
    import tensorflow as tf

    images, classes = _arrays(where)
    one = images[:BATCH], classes[:BATCH]
    return lambda: tf.data.Dataset.from_tensors(one)


WAYS = {"ours": ours, "slices": slices, "generator": generator, "ready": ready}


def wait_of(way: str, where: Path) -> float:
    """Milliseconds in a fresh process.

    Raises:
        RuntimeError: It failed.
    """
    command = [sys.executable, "-m", __name__, way, str(where)]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if answer.returncode:
        raise RuntimeError(f"{way} ended with {answer.returncode}:\n{answer.stderr[-2000:]}")
    return float(answer.stdout)


def _arrays(where: str) -> tuple[Any, Any]:
    return np.load(Path(where) / "images.npy"), np.load(Path(where) / "classes.npy")


def main(arguments: list[str]) -> None:
    """The process."""
    way, where = arguments
    made = WAYS[way](where)
    started = time.perf_counter()
    images, _ = next(iter(made()))
    waited = time.perf_counter() - started
    assert images.shape[0] == BATCH
    print(waited * 1000)


if __name__ == "__main__":
    main(sys.argv[1:])
