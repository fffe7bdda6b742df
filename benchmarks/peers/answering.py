"""The contestants' side of a race of epochs: one JSON object a line in, one out; standard library only.

A contestant's script calls `serve` with its ways to feed. Asked are, in this order:

``{"prepare": WAY, …}``   makes whatever the way reads (files, arrays in memory); answers ``{}``
``{"check": true}``       one epoch: ``rows``, ``pixels`` (their sum), ``classes`` (class → rows) and
                          ``head`` (the first classes, to see that the order changes)
``{"epochs": N}``         N epochs: ``rows``
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Epochs = Callable[[int], Iterable[Any]]
"""Batches of so many epochs, each a pair of images ``(N, H, W, C)`` and classes ``(N,)``."""


def serve(ways: Mapping[str, Callable[[dict[str, Any]], Epochs]]) -> None:
    """Answers until stdin ends.

    Args:
        ways: Name → what prepares one, given what was asked.
    """
    answers = sys.stdout
    # Whatever a library prints must not be taken for an answer.
    sys.stdout = sys.stderr
    epochs: Epochs = range
    _tell(answers, ready=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "prepare" in asked:
            epochs = ways[asked["prepare"]](asked)
            _tell(answers)
        elif "check" in asked:
            _tell(answers, **checked(epochs(1)))
        else:
            _tell(answers, **timed(epochs, asked["epochs"]))


def checked(batches: Iterable[Any]) -> dict[str, Any]:
    """What an epoch holds, to be compared with what it should hold."""
    rows, pixels, classes = 0, 0, Counter[int]()
    head: list[int] = []
    for images, labels in batches:
        listed = [int(label) for label in labels]
        rows += len(listed)
        pixels += int(_array(images).sum(dtype="float64"))
        classes.update(listed)
        head += listed[: max(0, 64 - len(head))]
    return {"rows": rows, "pixels": pixels, "classes": dict(classes), "head": head}


def again(epoch: Callable[[], Iterable[Any]]) -> Epochs:
    """One epoch after the other."""

    def epochs(count: int) -> Iterator[Any]:
        for _ in range(count):
            yield from epoch()

    return epochs


def timed(epochs: Epochs, count: int) -> dict[str, Any]:
    """Goes through `count` epochs and looks at nothing but the number of rows."""
    rows = 0
    for _, labels in epochs(count):
        rows += labels.shape[0]
    return {"rows": rows}


def _array(images: Any) -> Any:
    return images.numpy() if hasattr(images, "numpy") else images


def _tell(answers: Any, **what: Any) -> None:
    answers.write(json.dumps(what) + "\n")
    answers.flush()
