"""A real Kudu and a real Kafka on this machine, as own processes with their data in one folder."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Literal

from labelmill.devcluster import addresses as recorded
from labelmill.devcluster import kafka, kudu, ports, resolve, server
from labelmill.devcluster.addresses import Addresses
from labelmill.devcluster.java import SERVER_MINIMUM, find_java
from labelmill.devcluster.ready import Check, Progress, locked, silent, wait_ready
from labelmill.devcluster.server import Server, ServerStatus
from labelmill.errors import ClusterError, InputError
from labelmill.settings import CLUSTER_FILE
from labelmill.signals import held

CREATED = "created"
"""File in a server's folder: it has been ready once, so its data are whole."""


class DevCluster:
    """One home's servers. As a context manager it starts them and stops them again.

    Args:
        home: Folder of everything: data, logs, addresses.
        tservers: 1 or 3 Kudu tablet servers; None: as the home was created, else 1.
        ports: ``default``: the usual ports where free; ``free``: free ones at once (tests).

    Raises:
        InputError: Another number of tablet servers.
    """

    def __init__(
        self,
        home: Path,
        tservers: int | None = None,
        ports: Literal["default", "free"] = "default",
    ) -> None:
        if tservers not in (None, 1, 3):
            raise InputError(f"--tservers must be 1 or 3; received {tservers}")
        self.home = home.expanduser().absolute()
        self._tservers = tservers
        self._usual_ports = ports == "default"

    @property
    def kudu_masters(self) -> str:
        """HOST:PORT of the Kudu master."""
        return self._addresses().kudu_masters

    @property
    def kafka_brokers(self) -> str:
        """HOST:PORT of the Kafka broker."""
        return self._addresses().kafka_brokers

    def up(self, progress: Progress = silent) -> list[str]:
        """Starts what does not run and waits until it is healthy.

        Interrupted or failed, it stops again what it started itself.

        Returns:
            Names of the servers that were started; empty when all ran already.

        Raises:
            ClusterError: Wrong platform, no Java, a recorded port is taken, or a server ended; the
                message carries the end of its log.
        """
        resolve.require_platform()
        with locked(self.home, progress), ports.reserved():
            jars = resolve.jars_of(self.home, progress)
            programs = kudu.unpack(resolve.kudu_binaries(jars), jars.resolve().parent)
            chosen = self._choose(jars, programs)
            servers = _servers(jars, programs, self.home, chosen)
            missing = [s for s in servers if server.find(s) is None]
            chosen = recorded.move_taken_ports(self.home, chosen, missing)
            servers = _servers(jars, programs, self.home, chosen, find_java(SERVER_MINIMUM))
            missing = [s for s in servers if s.name in {m.name for m in missing}]
            recorded.save(self.home, chosen)
            with held(all_but_first=True):
                try:
                    started = self._start(missing, jars, chosen, progress)
                    checks: dict[str, Check] = {
                        "Kudu": lambda: kudu.is_healthy(programs, chosen),
                        "Kafka": lambda: kafka.is_ready(chosen.kafka_brokers),
                    }
                    wait_ready(servers, started, checks, progress)
                    self._announce(servers, chosen)
                except BaseException:
                    # Also on Ctrl-C. By folder, not by handle: the interrupt may have come between
                    # a start and its bookkeeping.
                    server.stop(missing)
                    if len(missing) == len(servers):
                        (self.home / CLUSTER_FILE).unlink(missing_ok=True)
                    raise
            return [s.name for s in missing]

    def down(self) -> list[str]:
        """Stops every server of this home.

        Returns:
            Names of those that were running.
        """
        with locked(self.home, silent), held():
            (self.home / CLUSTER_FILE).unlink(missing_ok=True)
            return server.stop(self._known_servers())

    def status(self) -> list[ServerStatus]:
        """Each server of this home, running or not; empty for a home that never was up."""
        return list(map(server.status, self._known_servers()))

    def kudu_tool(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the ``kudu`` tool; the independent way to see what is stored."""
        jars = resolve.jars_of(self.home)
        programs = kudu.unpack(resolve.kudu_binaries(jars), jars.resolve().parent)
        return kudu.tool(programs, *arguments)

    def kill_tserver(self, number: int) -> None:
        """SIGKILL to tablet server ``number`` (from 1): for failure tests."""
        self.kill(f"kudu-tserver-{number}")

    def kill(self, name: str) -> None:
        """SIGKILL to the server ``name``: for failure tests.

        Raises:
            ClusterError: It does not run.
        """
        for one in self._known_servers():
            process = server.find(one)
            if one.name == name and process is not None:
                process.kill()
                server.wait_until_gone(one, 20)
                return
        raise ClusterError(f"no running server {name!r} in {self.home}")

    def __enter__(self) -> DevCluster:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def _addresses(self) -> Addresses:
        found = recorded.load(self.home)
        if found is None:
            raise ClusterError(
                f"no servers were ever started in {self.home}; run `bin/labelmill up`"
            )
        return found

    def _choose(self, jars: Path, programs: Path) -> Addresses:
        found = recorded.load(self.home)
        if found is not None:
            # Until a server of Kudu has been ready there are no data that know the addresses.
            fixed = any(self.home.glob(f"servers/kudu-*/{CREATED}")) or any(
                server.find(one) for one in _servers(jars, programs, self.home, found)
            )
            found = recorded.grow(found, self._tservers, fixed)
            if fixed or not recorded.taken_ports(kudu.servers(programs, self.home, found)):
                return found
        tservers = self._tservers or (found.tservers if found else 1)
        return recorded.choose(tservers, self._usual_ports, kudu.block_manager(self.home))

    def _known_servers(self) -> list[Server]:
        chosen = recorded.load(self.home)
        if chosen is None:
            return []
        jars = resolve.jars_of(self.home)
        programs = kudu.unpack(resolve.kudu_binaries(jars), jars.resolve().parent)
        return _servers(jars, programs, self.home, chosen)

    def _start(
        self, missing: list[Server], jars: Path, chosen: Addresses, progress: Progress
    ) -> dict[str, subprocess.Popen[bytes]]:
        started = {}
        for one in missing:
            progress(f"starting {one.name} at {one.address}:{one.ports[0]}")
            if one.name == "kafka":
                server.stop([kafka.formatter(one)])
            if not (one.folder / CREATED).exists():
                # Cut off while it made its files, a server refuses to go on with half of them; it
                # never was ready, so nothing is lost.
                for part in ("wal", "data"):
                    shutil.rmtree(one.folder / part, ignore_errors=True)
            if one.name == "kafka":
                kafka.prepare(jars / "kafka", one, chosen)
            started[one.name] = server.start(one)
        return started

    def _announce(self, servers: list[Server], chosen: Addresses) -> None:
        for one in servers:
            (one.folder / CREATED).touch()
        pids = {s.name: process.pid for s in servers if (process := server.find(s))}
        text = {
            "kudu_masters": chosen.kudu_masters,
            "kafka_brokers": chosen.kafka_brokers,
            "pids": pids,
        }
        partial = self.home / (CLUSTER_FILE + ".partial")
        partial.write_text(json.dumps(text, indent=2) + "\n")
        partial.replace(self.home / CLUSTER_FILE)


def _servers(
    jars: Path, programs: Path, home: Path, chosen: Addresses, java: Path = Path("java")
) -> list[Server]:
    return [*kudu.servers(programs, home, chosen), kafka.server(jars / "kafka", home, chosen, java)]
