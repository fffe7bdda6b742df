"""Decodes many files in a process of its own, so that a crash, a hang and memory can be seen.

``python -m benchmarks.contestants.decoding suite PATH…`` decodes files, ``… mutated COUNT SEED [PATH…]``
mutations of every kind of PNG and of these files. One JSON object a line comes out: per file ``name``,
``seconds`` and one of ``reason`` (refused), ``shape`` with ``fits`` (it is what the header promises) and
``crash`` (any other exception); at last ``extra_bytes``, by which the process has grown at its peak.
"""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure.machine import ROOT
from labelmill.domain.codecs import PIXEL_CAP, decode_image
from labelmill.errors import ImageError
from labelmill.testing.png.files import every_kind, promised_shapes
from labelmill.testing.png.mutations import mutations


def decode(name: str, data: bytes) -> dict[str, Any]:
    """One file: what became of it."""
    started = time.perf_counter()
    outcome: dict[str, Any] = {"name": name}
    try:
        pixels = decode_image(data, PIXEL_CAP, name)
    except ImageError as error:
        outcome["reason"] = error.reason
    except Exception as error:
        outcome["crash"] = f"{type(error).__name__}: {error}"[:500]
    else:
        outcome["shape"] = list(pixels.shape)
        outcome["fits"] = pixels.shape in promised_shapes(data)
    return outcome | {"seconds": round(time.perf_counter() - started, 6)}


def in_a_process(arguments: list[str], seconds: float) -> tuple[list[dict[str, Any]], str]:
    """Runs this module and waits.

    Args:
        arguments: As the module's first lines say.
        seconds: A child that takes longer hangs.

    Returns:
        What it printed, and what went wrong: empty, or a sentence.
    """
    command = [sys.executable, "-X", "faulthandler", "-m", __name__, *arguments]
    output, wrong = "", ""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=ROOT)
        output = answer.stdout
        if answer.returncode:
            wrong = f"ended with {answer.returncode}: {answer.stderr[-2000:]}"
    except subprocess.TimeoutExpired as late:
        output = (
            (late.stdout or b"").decode() if isinstance(late.stdout, bytes) else late.stdout or ""
        )
        wrong = f"not done after {seconds:.0f} s"
    lines = [json.loads(line) for line in output.splitlines() if line.endswith("}")]
    return lines, wrong


def peak_bytes() -> int:
    """The most memory that this process has had since its program began."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    # Linux would count what the process was before it became this program.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)


def main(arguments: list[str]) -> None:
    """What the child does."""
    kind, *rest = arguments
    if kind == "suite":
        files: Iterable[tuple[str, bytes]] = ((path, Path(path).read_bytes()) for path in rest)
    else:
        count, seed, *paths = rest
        files = _mutated(int(count), int(seed), paths)
    before = peak_bytes()
    for name, data in files:
        print(json.dumps(decode(name, data)), flush=True)
    print(json.dumps({"extra_bytes": peak_bytes() - before}), flush=True)


def _mutated(count: int, seed: int, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    sound = [*every_kind(), *(Path(path).read_bytes() for path in sorted(paths))]
    for made in mutations(sound, count, seed):
        # The name promises a PNG file: none is handed to another decoder.
        yield f"{made.number} {', '.join(made.kinds)}.png", made.data


if __name__ == "__main__":
    main(sys.argv[1:])
