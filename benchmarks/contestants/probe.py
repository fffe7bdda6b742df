"""One training set fed in a process of its own, and what that took; `probe` starts it.

The process answers with one JSON object: ``rows`` and ``bytes`` of an epoch, ``element`` (what a batch
is), ``open_ms``, ``first_batch_ms`` (after opening), ``idle`` (memory when the modules are loaded) and
``epochs``, each with ``seconds``, ``cpu`` (seconds), ``own`` (RssAnon) and ``rss`` in bytes at its end;
or ``error`` and ``exit_code``.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.contestants.maps import maps_of
from benchmarks.measure.machine import ROOT
from benchmarks.measure.processes import memory_of, own_bytes
from labelmill.errors import LabelmillError

WAYS = ("tf", "numpy")


class Refused(LabelmillError):
    """The process's refusal, with its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Asked:
    """What to feed, and how.

    Attributes:
        training_set: Folder, URI or digest.
        way: One of `WAYS`.
        maps: As `maps_of` reads them.
        data_limit: Bytes of memory that is no file's, beyond what the process has when it opens the
            training set; None: no limit. More is a MemoryError.
    """

    training_set: str
    way: str = "tf"
    root: str | None = None
    split: str = "train"
    batch: int = 128
    epochs: int = 3
    maps: Sequence[str] = field(default_factory=tuple)
    shuffle: bool = True
    seed: int = 0
    cache: bool = False
    prefetch: int = 2
    data_limit: int | None = None


def probe(asked: Asked, python: str = sys.executable) -> dict[str, Any]:
    """Feeds in a process of its own; its answer.

    Raises:
        LabelmillError: The training set or the options are refused.
        RuntimeError: The process died; with the end of its output.
    """
    command = [python, "-m", __name__, json.dumps(asdict(asked))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(
            f"feeding ended with {done.returncode}:\n" + "\n".join(done.stderr.splitlines()[-15:])
        )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "error" in answer:
        raise Refused(answer["error"], answer["exit_code"])
    return answer


def feed(asked: Asked) -> dict[str, Any]:
    """What the process does."""
    from labelmill.feed.training_set import TrainingSet

    if asked.way == "tf":
        from labelmill.learning.runtime import tensorflow

        # TensorFlow's own start is not the training set's.
        next(iter(tensorflow().data.Dataset.range(1)))
    answer: dict[str, Any] = {"idle": _memory()}
    if asked.data_limit is not None:
        limit = _data_bytes() + asked.data_limit
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    started = time.perf_counter()
    opened = TrainingSet.open(asked.training_set, root=asked.root)
    answer["open_ms"] = _ms(started)
    started = time.perf_counter()
    ways = {"tf": opened.tf, "numpy": opened.numpy}
    batches = ways[asked.way](
        asked.batch,
        split=asked.split,
        shuffle=asked.shuffle,
        seed=asked.seed,
        cache=asked.cache,
        prefetch=asked.prefetch,
        map=maps_of(asked.maps) or None,
    )
    leaves = list(_leaves(next(iter(batches))))
    answer["first_batch_ms"] = _ms(started)
    answer["element"] = ", ".join(f"{leaf.dtype.name} {tuple(leaf.shape)}" for leaf in leaves)
    each = sum(_bytes(leaf) for leaf in leaves) / leaves[0].shape[0]
    answer["epochs"] = [_epoch(batches) for _ in range(asked.epochs)]
    answer["rows"] = answer["epochs"][-1].pop("rows")
    answer["bytes"] = round(each * answer["rows"])
    return answer


def _epoch(batches: Any) -> dict[str, Any]:
    rows, started, cpu = 0, time.perf_counter(), time.process_time()
    for batch in batches:
        rows += next(_leaves(batch)).shape[0]
    seconds = time.perf_counter() - started
    return {"rows": rows, "seconds": seconds, "cpu": time.process_time() - cpu, **_memory()}


def _leaves(element: Any) -> Any:
    if isinstance(element, dict):
        element = tuple(element.values())
    if not isinstance(element, tuple):
        yield element
        return
    for part in element:
        yield from _leaves(part)


def _bytes(leaf: Any) -> int:
    array = leaf.numpy() if hasattr(leaf, "numpy") else leaf
    if array.dtype == object:
        return sum(len(text) for text in array.ravel())
    return int(array.nbytes)


def _memory() -> dict[str, int]:
    return {"own": own_bytes([os.getpid()]), "rss": memory_of(os.getpid())[0]}


def _data_bytes() -> int:
    """What RLIMIT_DATA counts: private writable memory, touched or not."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)


def main(arguments: list[str]) -> None:
    """The process."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    try:
        answer = feed(Asked(**json.loads(arguments[0])))
    except LabelmillError as error:
        answer = {"error": str(error), "exit_code": error.exit_code}
    print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main(sys.argv[1:])
