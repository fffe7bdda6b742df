"""Decodes many files in a process of its own, so that a crash, a hang and memory can be seen.

``python -m benchmarks.harness.decoding files PATH…`` decodes files, ``… mutated COUNT SEED`` mutated
ones. One JSON object a line comes out: per file ``name``, ``seconds`` and either ``reason`` or ``shape``
and ``dtype``; at last ``extra_bytes``, by which the process has grown at its peak.
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

from benchmarks.harness.machine import ROOT
from labelmill.domain.codecs import PIXEL_CAP, decode_image
from labelmill.errors import ImageError


def decode(name: str, data: bytes) -> dict[str, Any]:
    """One file: what became of it."""
    started = time.perf_counter()
    told: dict[str, Any] = {"name": name}
    try:
        pixels = decode_image(data, PIXEL_CAP, name)
        told |= {"shape": pixels.shape, "dtype": pixels.dtype.name, "bytes": pixels.nbytes}
    except ImageError as error:
        told |= {"reason": error.reason}
    return told | {"seconds": round(time.perf_counter() - started, 6)}


def in_a_process(arguments: list[str], seconds: float) -> tuple[list[dict[str, Any]], str]:
    """Runs this module and waits.

    Args:
        arguments: As the module's first lines say.
        seconds: A child that takes longer hangs.

    Returns:
        What it printed, and what went wrong: empty, or a sentence.
    """
    command = [sys.executable, "-X", "faulthandler", "-m", __name__, *arguments]
    said, wrong = "", ""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=ROOT)
        said = answer.stdout
        if answer.returncode:
            wrong = f"ended with {answer.returncode}: {answer.stderr[-2000:]}"
    except subprocess.TimeoutExpired as late:
        said = (
            (late.stdout or b"").decode() if isinstance(late.stdout, bytes) else late.stdout or ""
        )
        wrong = f"not done after {seconds:.0f} s"
    lines = [json.loads(line) for line in said.splitlines() if line.endswith("}")]
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
    files = _files(rest) if kind == "files" else _mutated(int(rest[0]), int(rest[1]))
    before = peak_bytes()
    for name, data in files:
        print(json.dumps(decode(name, data)), flush=True)
    print(json.dumps({"extra_bytes": peak_bytes() - before}), flush=True)


def _files(paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        yield path, Path(path).read_bytes()


def _mutated(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    raise NotImplementedError


if __name__ == "__main__":
    main(sys.argv[1:])
