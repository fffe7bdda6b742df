"""An MLP trained from a training set, and how long its steps waited; `trained` starts the process.

A step is one call into TensorFlow. It waits while Python asks for the next batch; the batch is there
when that returns. Beside it the same steps run on one batch that is there already.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any

from benchmarks.measure.machine import ROOT
from labelmill.domain.models.parameters import resolve
from labelmill.feed.maps.preparation import prepared
from labelmill.feed.training_set import TrainingSet
from labelmill.learning.families import FAMILIES
from labelmill.learning.runtime import keras, tensorflow

FAMILY, BATCH = "mlp", 128


def trained(location: str, epochs: int) -> list[dict[str, float]]:
    """Per epoch: ``seconds``, ``waited`` of them, ``steps``; ``resident``: seconds without feeding.

    And of an epoch that is one graph, with no way back to Python after a step: ``compiled`` and
    ``compiled_resident``, seconds.

    Raises:
        RuntimeError: The process failed.
    """
    command = [sys.executable, "-m", __name__, location, str(epochs)]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if answer.returncode:
        raise RuntimeError(f"training ended with {answer.returncode}:\n{answer.stderr[-2000:]}")
    measured: list[dict[str, float]] = json.loads(answer.stdout.splitlines()[-1])
    return measured


def waiting(batches: Iterable[Any], step: Any) -> dict[str, float]:
    """One epoch: ``seconds``, ``waited``, ``steps``."""
    steps, started = 0, time.perf_counter()
    # Beginning an epoch is waiting, too: blocks are asked for, threads started.
    coming = iter(batches)
    waited = time.perf_counter() - started
    while True:
        asked = time.perf_counter()
        batch = next(coming, None)
        waited += time.perf_counter() - asked
        if batch is None:
            break
        step(*batch)
        steps += 1
    return {"seconds": time.perf_counter() - started, "waited": waited, "steps": steps}


def _step(model: Any) -> Any:
    tf = tensorflow()
    optimiser = keras().optimizers.SGD(0.01, momentum=0.9, nesterov=True)
    optimiser.build(model.trainable_variables)
    loss_of = keras().losses.SparseCategoricalCrossentropy()

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(images: Any, classes: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(classes, model(images, training=True))
        optimiser.apply(tape.gradient(loss, model.trainable_variables))
        return loss

    return step


def _seconds(epoch: Any, *given: Any) -> float:
    started = time.perf_counter()
    epoch(*given).numpy()
    return time.perf_counter() - started


def main(arguments: list[str]) -> None:
    """The process."""
    location, epochs = arguments[0], int(arguments[1])
    tensorflow()  # as learning sets it, before the feed takes it as it is
    opened = TrainingSet.open(location)
    batches = opened.tf(BATCH, map=prepared([]), drop_remainder=True)
    first = next(iter(batches))
    shape = tuple(first[0].shape[1:])
    model = FAMILIES[FAMILY](shape, len(opened.classes), resolve(FAMILY, {}))
    step = _step(model)
    measured = []
    compile_ = tensorflow().function

    @compile_  # type: ignore[untyped-decorator]
    def compiled(coming: Any, steps: Any) -> Any:
        last = 0.0
        for _ in tensorflow().range(steps):
            last = step(*next(coming))
        return last

    @compile_  # type: ignore[untyped-decorator]
    def compiled_resident(steps: Any) -> Any:
        last = 0.0
        for _ in tensorflow().range(steps):
            last = step(*first)
        return last

    for _ in range(epochs + 1):
        fed = waiting(batches, step)
        steps = int(fed["steps"])
        resident = waiting([first] * steps, step)
        counted = tensorflow().constant(steps)
        measured.append({
            **fed, "resident": resident["seconds"],
            "compiled": _seconds(compiled, iter(batches), counted),
            "compiled_resident": _seconds(compiled_resident, counted),
        })  # fmt: skip
    print(json.dumps(measured[1:]))  # the first epoch traces


if __name__ == "__main__":
    main(sys.argv[1:])
