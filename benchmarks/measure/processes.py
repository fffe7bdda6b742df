"""Memory and processor time of a process tree, by what each process is.

Parts: ``driver Python`` (the root), ``JVM`` (Spark's; in local mode driver and executor in one),
``Python workers`` (Pythons below the JVM), ``other`` (whatever else is below the root).

Memory of Python processes is their proportional share (PSS): forked workers share most pages, and
RSS counts a shared page once for each of them. Where the system has no PSS, it is RSS.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import psutil

DRIVER, JVM, WORKERS, OTHER = "driver Python", "JVM", "Python workers", "other"
PARTS = (DRIVER, JVM, WORKERS, OTHER)


@dataclass(frozen=True)
class Seen:
    """One process at one moment."""

    pid: int
    parent: int
    name: str


def parts_of(processes: Iterable[Seen], root: int) -> dict[int, str]:
    """Process id → part, for the root and all below it; others are left out."""
    listed = {one.pid: one for one in processes}
    found: dict[int, str] = {}
    for pid in listed:
        line: list[Seen] = []
        at = pid
        while at in listed and at != root:
            line.append(listed[at])
            at = listed[at].parent
        if at != root:
            continue
        if pid == root:
            found[pid] = DRIVER
        elif listed[pid].name.startswith("java"):
            found[pid] = JVM
        elif any(above.name.startswith("java") for above in line[1:]):
            found[pid] = WORKERS
        else:
            found[pid] = OTHER
    return found


def tree(root: int) -> list[Seen]:
    """The process and all below it; empty when it is gone."""
    try:
        top = psutil.Process(root)
        family = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
    seen = []
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            seen.append(Seen(process.pid, process.ppid(), process.name()))
    return seen


def memory_of(pid: int) -> tuple[int, int]:
    """RSS and PSS in bytes; zeros when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        fields = {line.split(":")[0]: line.split()[1] for line in lines if line.endswith("kB")}
        return int(fields["Rss"]) * 1024, int(fields["Pss"]) * 1024
    except (OSError, KeyError):
        pass
    try:
        rss = psutil.Process(pid).memory_info().rss
    except psutil.NoSuchProcess:
        return 0, 0
    return rss, rss


def own_bytes(pids: Iterable[int]) -> int:
    """Memory of processes that is no file's (RssAnon), in bytes: what a memory map does not count in."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("RssAnon:"):
                    total += int(line.split()[1]) * 1024
    return total


@dataclass
class MemoryWatch:
    """Peaks of a process tree while the context is open, by a thread that looks every so often.

    Attributes:
        root: Process id at the top.
        interval: Seconds between two looks.
        peaks: Part → bytes, each at its own moment. JVM: RSS. Python: PSS.
        peak_driver: Bytes of driver Python and JVM together, at their moment.
        peak_total: Bytes of all parts together, at their moment.
        looks: How often it looked.
    """

    root: int
    interval: float = 0.2
    peaks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    peak_driver: int = 0
    peak_total: int = 0
    looks: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> MemoryWatch:
        self._thread = threading.Thread(target=self._run, name="memory-watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self.interval):
            self.look()

    def look(self) -> None:
        """Takes one sample."""
        now = dict.fromkeys(PARTS, 0)
        for pid, part in parts_of(tree(self.root), self.root).items():
            rss, pss = memory_of(pid)
            now[part] += rss if part == JVM else pss
        self.add(now)

    def add(self, now: Mapping[str, int]) -> None:
        """Counts one sample in: part → bytes."""
        for part, size in now.items():
            self.peaks[part] = max(self.peaks[part], size)
        self.peak_driver = max(self.peak_driver, now.get(DRIVER, 0) + now.get(JVM, 0))
        self.peak_total = max(self.peak_total, sum(now.values()))
        self.looks += 1


def cpu_seconds(root: int, more: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """Processor seconds (user and system) that live processes have used so far, by part.

    Args:
        root: The tree's top.
        more: Further parts: name → process ids, for example Kudu's servers.
    """
    parts = parts_of(tree(root), root)
    for name, pids in more.items():
        parts |= dict.fromkeys(pids, name)
    used: dict[str, float] = {}
    for pid, part in parts.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            times = psutil.Process(pid).cpu_times()
            used[part] = used.get(part, 0.0) + times.user + times.system
    return used


@dataclass
class CpuShares:
    """Who used the cores between two moments.

    Attributes:
        wall: Seconds between them.
        used: Part → processor seconds.
        cores: Of the machine.
    """

    wall: float
    used: dict[str, float]
    cores: int

    def __str__(self) -> str:
        """A sentence for people."""
        total = sum(self.used.values())
        if total <= 0 or self.wall <= 0:
            return "it used no processor time."
        shares = sorted(self.used.items(), key=lambda item: -item[1])
        by_part = ", ".join(
            f"{who} {100 * s / total:.0f} %" for who, s in shares if s > total / 100
        )
        busy = 100 * total / (self.wall * self.cores)
        return f"it used {min(busy, 100):.0f} % of {self.cores} cores; of that: {by_part}."


class CpuWatch:
    """Takes `CpuShares` while the context is open."""

    def __init__(self, root: int, more: Mapping[str, Iterable[int]]) -> None:
        self._root, self._more = root, more
        self.shares = CpuShares(0.0, {}, psutil.cpu_count() or 1)

    def __enter__(self) -> CpuWatch:
        self._before = cpu_seconds(self._root, self._more)
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        wall = time.perf_counter() - self._started
        after = cpu_seconds(self._root, self._more)
        used = {part: max(0.0, s - self._before.get(part, 0.0)) for part, s in after.items()}
        self.shares = CpuShares(wall, used, self.shares.cores)
