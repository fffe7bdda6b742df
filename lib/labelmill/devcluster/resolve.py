"""Jars by name: resolved once by the Ivy inside pyspark, then found without a network.

``python -m labelmill.devcluster.resolve HOME`` is the step of bin/setup.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from labelmill.devcluster.java import find_java, is_packaged
from labelmill.devcluster.trust import java_options
from labelmill.errors import ClusterError

GROUPS = ("spark", "kudu", "kafka")
STAMP = ".resolved"

_OWN_SERVERS = (
    "Use your own Kudu and Kafka instead: set LABELMILL_KUDU_MASTERS=HOST:7051 and "
    "LABELMILL_KAFKA_BROKERS=HOST:9092 (or --kudu-masters, --kafka-brokers, or conf/labelmill.toml); "
    "every job and command then works without `up`. See docs/guides/operations.md."
)


def require_platform(system: str | None = None, machine: str | None = None) -> None:
    """Kudu's binaries exist for one platform.

    Raises:
        ClusterError: This is another one; the message says how to use servers of one's own.
    """
    system, machine = system or platform.system(), machine or platform.machine()
    if (system, machine.lower()) not in {("Linux", "x86_64"), ("Linux", "amd64")}:
        raise ClusterError(
            f"the one-machine servers run on Linux x86_64 only (Kudu publishes no other binaries); "
            f"this is {system} {machine}. {_OWN_SERVERS}"
        )


def description(name: str) -> Path:
    """``ivy.xml`` or ``ivysettings.xml``: in the package when installed, in conf/ in a checkout."""
    for place in (Path(__file__).with_name(name), Path(__file__).parents[3] / "conf" / name):
        if place.is_file():
            return place
    raise ClusterError(f"{name} is neither in the package nor in conf/; install labelmill again")


def fingerprint() -> str:
    """SHA-256 of ``ivy.xml``: jars that were resolved from another one are resolved again."""
    return hashlib.sha256(description("ivy.xml").read_bytes()).hexdigest()


def is_resolved(jars: Path) -> bool:
    """Whether ``jars`` holds exactly what ivy.xml asks for."""
    stamp = jars / STAMP
    return stamp.is_file() and stamp.read_text() == fingerprint()


def jars_of(home: Path, progress: Callable[[str], None] = lambda line: None) -> Path:
    """The folder of jars for ``home``: its own, those of the default home, or resolved now.

    Raises:
        ClusterError: They cannot be resolved.
    """
    from labelmill.settings import default_home

    own, shared = home / "jars", default_home() / "jars"
    if is_resolved(own):
        return own
    if shared != own and not own.exists() and is_resolved(shared):
        home.mkdir(parents=True, exist_ok=True)
        own.symlink_to(shared)
        return own
    resolve(home, progress)
    return own


def resolve(home: Path, progress: Callable[[str], None] = lambda line: None) -> None:
    """Updates ``home/jars`` to what ivy.xml lists. Safe to interrupt and to run twice at once.

    Raises:
        ClusterError: A jar cannot be had; the message has Ivy's output.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "jars.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_resolved(home / "jars"):
            return
        progress("resolving jars")
        partial = Path(tempfile.mkdtemp(prefix="jars.partial-", dir=home))
        try:
            _run_ivy(home, partial)
            _exchange(partial, home / "jars")
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _run_ivy(home: Path, into: Path) -> None:
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise ClusterError("pyspark is not installed; run bin/setup")
    (ivy, *_) = sorted((Path(spec.origin).parent / "jars").glob("ivy-*.jar"))
    java = find_java()
    trusted = java_options(into) if is_packaged(java) else []
    command = [
        str(java), *trusted, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        "-cp", str(ivy), "org.apache.ivy.Main",
        "-settings", str(description("ivysettings.xml")),
        "-ivy", str(description("ivy.xml")),
        "-cache", str(home / "ivy" / "cache"),
        "-confs", *GROUPS,
        "-retrieve", f"{into}/[conf]/[artifact]-[revision](-[classifier]).[ext]",
        "-types", "jar", "bundle",
        "-warn",
    ]  # fmt: skip
    answer = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
    )
    if answer.returncode or not all(any((into / group).glob("*.jar")) for group in GROUPS):
        lines = [line.strip() for line in (answer.stderr + answer.stdout).splitlines()]
        output = "\n".join(f"  {line[:300]}" for line in dict.fromkeys(lines) if line)[:1500]
        raise ClusterError(
            "jars could not be resolved. Is there a network, or a repository manager's settings in "
            f"conf/ivysettings.xml? Jars that were resolved are kept; run it again to continue.\n{output}"
        )


def _exchange(fresh: Path, jars: Path) -> None:
    """File by file, so that a running server keeps the jars that did not change."""
    (jars / STAMP).unlink(missing_ok=True)
    for group in GROUPS:
        (jars / group).mkdir(parents=True, exist_ok=True)
        wanted = {path.name: path for path in (fresh / group).glob("*.jar")}
        for old in (jars / group).glob("*.jar"):
            if old.name not in wanted:
                old.unlink()
        for name, path in wanted.items():
            target = jars / group / name
            if not target.is_file() or target.stat().st_size != path.stat().st_size:
                path.replace(target)
    partial = jars / (STAMP + ".partial")
    partial.write_text(fingerprint())
    partial.replace(jars / STAMP)


def kudu_binaries(jars: Path) -> Path:
    """The jar with Kudu's servers.

    Raises:
        ClusterError: It is not there.
    """
    found = sorted((jars / "kudu").glob("kudu-binary-*-linux-x86_64.jar"))
    if not found:
        raise ClusterError(f"no kudu-binary jar in {jars / 'kudu'}; run bin/setup")
    return found[-1]


if __name__ == "__main__":
    try:
        resolve(Path(sys.argv[1]).absolute())
    except ClusterError as failure:
        sys.exit(str(failure))
