"""Our side of a race of epochs, as a process of its own."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.answering import Epochs, again, serve
from labelmill.feed.training_set import TrainingSet


def tensors(asked: dict[str, Any]) -> Epochs:
    """A training set as `tf.data.Dataset`, shuffled."""
    epoch = TrainingSet.open(asked["location"]).tf(asked["batch"])
    return again(lambda: epoch)


def arrays(asked: dict[str, Any]) -> Epochs:
    """A training set as batches of numpy, shuffled."""
    epoch = TrainingSet.open(asked["location"]).numpy(asked["batch"])
    return again(lambda: epoch)


if __name__ == "__main__":
    serve({"tf": tensors, "numpy": arrays})
