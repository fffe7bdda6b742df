"""What a JVM's memory consists of: its heap, and native memory by kind, as ``jcmd`` reports them.

The JVM must run with ``-XX:NativeMemoryTracking=summary`` (it costs 5 to 10 % of speed).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from labelmill.errors import NoData

TRACKING = "-XX:NativeMemoryTracking=summary"

KINDS = {
    "heap": ("Java Heap",),
    "classes": ("Class", "Metaspace", "Symbol"),
    "compiled code": ("Code", "Compiler"),
    "garbage collector": ("GC", "GCCardSet"),
    "threads": ("Thread",),
    "direct buffers": ("Other",),
}
"""Our kinds → the categories of native memory tracking that they sum; the rest is ``JVM, other``."""

OTHER, UNTRACKED = "JVM, other", "outside the JVM's own count"

_CATEGORY = re.compile(r"^-\s+([\w ]+?) \(reserved=\d+KB, committed=(\d+)KB", re.MULTILINE)
_THREADS = re.compile(r"\(threads? #(\d+)\)")
_OBJECTS = re.compile(r"^\s*\d+:\s+(\d+)\s+(\d+)\s+(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class NativeMemory:
    """Memory of a JVM at one moment.

    Attributes:
        committed: Kind → bytes: `KINDS` and `OTHER`.
        threads: Number of threads.
    """

    committed: dict[str, int]
    threads: int


def jcmd(pid: int, *words: str) -> str:
    """The output of ``jcmd PID WORDS``.

    Raises:
        NoData: This Java has no jcmd, or the process did not answer.
    """
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("jcmd", path=f"{home}/bin" if home else None) or shutil.which("jcmd")
    if program is None:
        raise NoData("not measured: there is no jcmd beside this Java; install a JDK 17")
    try:
        answer = subprocess.run(
            [program, str(pid), *words], capture_output=True, text=True, timeout=60, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise NoData(f"not measured: jcmd {pid} {' '.join(words)}: {error}") from None
    return answer.stdout


def native_memory(summary: str) -> NativeMemory:
    """Reads what ``VM.native_memory summary`` printed.

    Raises:
        NoData: Native memory tracking is off.
    """
    found = {name: int(size) * 1024 for name, size in _CATEGORY.findall(summary)}
    if not found:
        raise NoData(f"not measured: no native memory tracking; start the JVM with {TRACKING}")
    committed = {kind: sum(found.pop(n, 0) for n in names) for kind, names in KINDS.items()}
    threads = _THREADS.search(summary)
    return NativeMemory(
        {**committed, OTHER: sum(found.values())}, int(threads[1]) if threads else 0
    )


def live_objects(histogram: str) -> dict[str, tuple[int, int]]:
    """Reads what ``GC.class_histogram`` printed: class → live objects, and their bytes."""
    return {name: (int(n), int(size)) for n, size, name in _OBJECTS.findall(histogram)}


def grown(
    before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]], count: int
) -> list[str]:
    """The classes whose objects take most more bytes than before, as sentences."""
    more = {name: size - before.get(name, (0, 0))[1] for name, (_, size) in after.items()}
    top = sorted(more, key=lambda name: -more[name])[:count]
    return [
        f"{name} {more[name] / 2**20:+.1f} MiB, {after[name][0] - before.get(name, (0, 0))[0]:+,} objects"
        for name in top
        if more[name] > 0
    ]
