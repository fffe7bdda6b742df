"""What a benchmark ran on: hardware, system, versions, commit."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "pyspark",
    "pyarrow",
    "numpy",
    "pillow",
    "jpype1",
    "kudu-python",
    "imagecodecs",
    "pyspng",
    "tensorflow",
    "tensorflow-cpu",
)


def cores() -> int:
    """Cores that this process may use."""
    with contextlib.suppress(AttributeError):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe() -> dict[str, Any]:
    """The machine, without its name."""
    return {
        "processor": _processor(),
        "cores": cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{_system()}, {platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "java": _java(),
        "packages": _versions(),
    }


def commit() -> str:
    """The git commit, with ``+`` when files differ from it; ``unknown`` outside a checkout."""
    return commit_of(ROOT)


def commit_of(root: Path) -> str:
    """The same of another checkout."""
    head = _output_of("git", "-C", str(root), "rev-parse", "--short=12", "HEAD")
    if not head:
        return "unknown"
    changed = _output_of("git", "-C", str(root), "status", "--porcelain", "--untracked-files=no")
    return head + ("+" if changed else "")


def load_average() -> list[float]:
    """Over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _system() -> str:
    with contextlib.suppress(OSError, AttributeError):
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    return platform.platform(terse=True)


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    text = _output_of(str(Path(home) / "bin" / "java") if home else "java", "-version", error=True)
    return text.splitlines()[0] if text else "unknown"


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _output_of(*command: str, error: bool = False) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if answer.returncode else (answer.stderr if error else answer.stdout).strip()
