"""``labelmill doctor``: checks this machine and says how to fix what is wrong."""

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
"""For the demo's data, logs and write-ahead logs; set-up needs more for packages and jars."""

MEMORY_GIB = 6
"""Kudu 1, Kafka 0.6, Spark's driver 1.5, two executors with Python workers 3."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        subject: What was checked.
        ok: Whether it passed.
        text: What was found.
        fix: How to fix it; empty when it passed.
    """

    subject: str
    ok: bool
    text: str
    fix: str = ""


def doctor(
    home: Annotated[
        Path | None, typer.Option(help="Folder of data, logs and jars. Default: settings.")
    ] = None,
    kudu_masters: Annotated[
        str | None, typer.Option(help="Your own Kudu's masters, HOST:PORT[,…].")
    ] = None,
    kafka_brokers: Annotated[
        str | None, typer.Option(help="Your own Kafka's brokers, HOST:PORT[,…].")
    ] = None,
) -> None:
    """Check this machine and its servers.

    Checks Python, Java, jars, disk, memory, ports, and whether Kudu and Kafka answer. Ends with
    exit code 9 when a check fails.
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
        console.print(finding.text, markup=False, highlight=False)
        if not finding.ok:
            wrong += 1
            console.print(f"               fix: {finding.fix}", markup=False, highlight=False)
    if wrong:
        raise ClusterError(f"{wrong} check{'s' * (wrong > 1)} failed; see above")


def findings(settings: Settings) -> Iterator[Finding]:
    """Runs the checks; later ones depend on earlier ones."""
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
    fix = (
        ""
        if ok
        else "use Python 3.10, 3.11 or 3.12, the versions that Spark 3.5 and TensorFlow 2.21 support"
    )
    return Finding("Python", ok, f"{version} at {sys.executable}", fix)


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
        return Finding("platform", True, "settings name your own servers; any platform will do")
    try:
        resolve.require_platform()
    except ClusterError as error:
        text, _, fix = str(error).partition(". ")
        return Finding("platform", False, text, fix)
    return Finding("platform", True, "Linux x86_64: Kudu and Kafka can run here")


def _jars(home: Path) -> Finding:
    jars = home / "jars"
    if resolve.is_resolved(jars):
        count = len(list(jars.glob("*/*.jar")))
        return Finding("jars", True, f"{count} in {jars}")
    return Finding(
        "jars", False, f"missing or incomplete in {jars}", "run bin/setup (needs the network once)"
    )


def _disk(home: Path) -> Finding:
    existing = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free / GIB
    text = f"{free:.1f} GiB free at {existing}"
    if free >= DISK_GIB:
        return Finding("disk", True, text)
    return Finding("disk", False, text, f"free {DISK_GIB} GiB, or use another disk with --home DIR")


def _memory() -> Finding:
    free = psutil.virtual_memory().available / GIB
    text = f"{free:.1f} GiB available"
    if free >= MEMORY_GIB:
        return Finding("memory", True, text)
    fix = f"servers, driver and two executors need {MEMORY_GIB} GiB; free memory, or use --master 'local[1]'"
    return Finding("memory", False, text, fix)


def _servers(settings: Settings) -> Iterator[Finding]:
    for name, ask in (("Kudu", settings.masters), ("Kafka", settings.brokers)):
        try:
            yield reachable(name, ask())
        except InputError:
            yield Finding(name, True, "not running; `labelmill up` starts it")
            yield from _ports(settings.home, name)
        except LabelmillError as error:
            yield Finding(name, False, str(error), "see docs/guides/operations.md")


def reachable(name: str, addresses: str) -> Finding:
    """Whether something listens at each of ``HOST:PORT[,HOST:PORT…]``."""
    for address in addresses.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or not port.isdigit():
            return Finding(name, False, f"{address!r} is not HOST:PORT", "write it as HOST:PORT")
        if not ports.answers(host, int(port)):
            fix = "start it, or run `labelmill up` for servers on this machine; check address and firewall"
            return Finding(name, False, f"nothing answers at {address}", fix)
    return Finding(name, True, f"answers at {addresses}")


def _ports(home: Path, name: str) -> Iterator[Finding]:
    recorded = load_addresses(home)
    if recorded is None or name != "Kudu":
        return  # a new home takes free ports, and Kafka always does
    for port in (recorded.master_rpc, recorded.tserver_rpc):
        if not ports.is_free("127.0.0.1", port):
            yield Finding(
                "port", False, f"{port}, which this home's Kudu needs, is in use",
                "stop the process that listens there, or use another home with --home DIR",
            )  # fmt: skip
