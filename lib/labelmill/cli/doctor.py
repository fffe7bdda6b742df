"""``doctor``: what this machine has, what is wrong, how to mend it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console

from labelmill import settings as settings_module
from labelmill.devcluster import java, ports, resolve
from labelmill.devcluster.addresses import load as load_addresses
from labelmill.errors import ClusterError, InputError, LabelmillError
from labelmill.settings import Settings

GIB = 1 << 30
DISK_GIB = 3
"""Data of the demo, logs and write-ahead logs; packages and jars come on top at set-up."""

MEMORY_GIB = 6
"""Kudu 1, Kafka 0.6, Spark's driver 1.5, two executors with their Python workers 3."""


@dataclass(frozen=True)
class Finding:
    """One checked thing.

    Attributes:
        subject: What was looked at.
        ok: Whether it will do.
        said: What was found.
        mend: What to do about it; empty when all is well.
    """

    subject: str
    ok: bool
    said: str
    mend: str = ""


def doctor(
    home: Annotated[Path | None, typer.Option(help="Folder to look at.")] = None,
    kudu_masters: Annotated[str | None, typer.Option(help="Your own Kudu, HOST:PORT[,…].")] = None,
    kafka_brokers: Annotated[
        str | None, typer.Option(help="Your own Kafka, HOST:PORT[,…].")
    ] = None,
) -> None:
    """Check Python, Java, jars, disk, memory, ports, and whether Kudu and Kafka answer.

    The exit code is 9 when something is wrong.
    """
    settings = settings_module.load(
        home=home.expanduser().absolute() if home else None,
        kudu_masters=kudu_masters,
        kafka_brokers=kafka_brokers,
    )
    console = Console(soft_wrap=True)
    wrong = 0
    for finding in findings(settings):
        mark = "[green]ok   [/green]" if finding.ok else "[red]wrong[/red]"
        console.print(f"{mark} {finding.subject:<8}", end=" ")
        console.print(finding.said, markup=False, highlight=False)
        if not finding.ok:
            wrong += 1
            console.print(f"               mend: {finding.mend}", markup=False, highlight=False)
    if wrong:
        raise ClusterError(f"{wrong} of the checks failed; see above")


def findings(settings: Settings) -> Iterator[Finding]:
    """Every check, in the order in which one depends on the other."""
    yield _python()
    yield _java()
    yield _platform(settings)
    yield _jars(settings.home)
    yield _disk(settings.home)
    yield _memory()
    yield from _servers(settings)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = (3, 10) <= sys.version_info[:2] <= (3, 12)
    mend = (
        "" if ok else "use Python 3.10, 3.11 or 3.12: Spark 3.5 and TensorFlow 2.21 have no others"
    )
    return Finding("Python", ok, f"{version} at {sys.executable}", mend)


def _java() -> Finding:
    try:
        found = java.find_java()
    except ClusterError as error:
        return Finding(
            "Java", False, str(error).split(". ")[0], "run bin/setup, or set JAVA_HOME to a Java 17"
        )
    return Finding("Java", True, f"{java.major_version(found)} at {found}")


def _platform(settings: Settings) -> Finding:
    if settings.kudu_masters and settings.kafka_brokers:
        return Finding("platform", True, "own servers are named, any platform will do")
    try:
        resolve.require_platform()
    except ClusterError as error:
        said, _, mend = str(error).partition(". ")
        return Finding("platform", False, said, mend)
    return Finding("platform", True, "Linux x86_64: Kudu and Kafka can run here")


def _jars(home: Path) -> Finding:
    jars = home / "jars"
    if resolve.is_resolved(jars):
        count = len(list(jars.glob("*/*.jar")))
        return Finding("jars", True, f"{count} in {jars}")
    return Finding(
        "jars", False, f"not, or not all, in {jars}", "run bin/setup (needs the network once)"
    )


def _disk(home: Path) -> Finding:
    place = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free = shutil.disk_usage(place).free / GIB
    said = f"{free:.1f} GiB free at {place}"
    if free >= DISK_GIB:
        return Finding("disk", True, said)
    return Finding(
        "disk", False, said, f"{DISK_GIB} GiB are needed; make room or use --home DIR elsewhere"
    )


def _memory() -> Finding:
    free = psutil.virtual_memory().available / GIB
    said = f"{free:.1f} GiB available"
    if free >= MEMORY_GIB:
        return Finding("memory", True, said)
    mend = f"{MEMORY_GIB} GiB are wanted for servers, driver and two executors; use --master 'local[1]'"
    return Finding("memory", False, said, mend)


def _servers(settings: Settings) -> Iterator[Finding]:
    for name, ask in (("Kudu", settings.masters), ("Kafka", settings.brokers)):
        try:
            yield reachable(name, ask())
        except InputError:
            yield Finding(name, True, "not up; `labelmill up` starts it")
            yield from _ports(settings.home, name)
        except LabelmillError as error:
            yield Finding(name, False, str(error), "see docs/guides/operations.md")


def reachable(name: str, addresses: str) -> Finding:
    """Whether something listens at each of ``HOST:PORT[,HOST:PORT…]``."""
    for address in addresses.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or not port.isdigit():
            return Finding(name, False, f"{address!r} is no HOST:PORT", "write it as HOST:PORT")
        if not ports.answers(host, int(port)):
            mend = "start it, or `labelmill up` for the one-machine servers; check address and firewall"
            return Finding(name, False, f"nothing answers at {address}", mend)
    return Finding(name, True, f"answers at {addresses}")


def _ports(home: Path, name: str) -> Iterator[Finding]:
    recorded = load_addresses(home)
    if recorded is None or name != "Kudu":
        return  # a new home, and Kafka at any time, takes free ports
    for port in (recorded.master_rpc, recorded.tserver_rpc):
        if not ports.is_free("127.0.0.1", port):
            yield Finding(
                "port", False, f"{port}, where this home's Kudu was created, is taken",
                "stop what listens there, or use another home with --home DIR",
            )  # fmt: skip
