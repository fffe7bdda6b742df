"""One server process: start it detached, find it again, stop it, show the end of its log.

There are no pid files to go stale: a server is found by what it runs. Its command line names its
own folder, so a process is the server of this home exactly when program and folder agree. For one in
Java the program is its main class: which Java runs it depends on who started it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from labelmill.errors import ClusterError
from labelmill.signals import held

STOP_SECONDS = 20.0
"""How long a server may take to end after SIGTERM before it is killed."""


@dataclass(frozen=True)
class Server:
    """What to start.

    Attributes:
        name: Shown to people, for example ``kudu-tserver-1``.
        program: Executable.
        arguments: Its arguments; one of them names `folder`.
        folder: Data, logs and output of this server.
        address: Loopback address it listens at.
        ports: Ports it listens at; the first is the one clients use.
        environment: Added to this process' environment.
        main: Class that `program` runs, when that is a Java.
    """

    name: str
    program: Path
    arguments: Sequence[str]
    folder: Path
    address: str
    ports: tuple[int, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    main: str = ""

    @property
    def output(self) -> Path:
        """What the server prints."""
        return self.folder / "out"


@dataclass(frozen=True)
class ServerStatus:
    """One server as seen now.

    Attributes:
        name: For example ``kudu-master``.
        pid: Process, or None when it does not run.
        address: HOST:PORT for clients.
        memory_mib: Resident memory.
        log: File to look at when something is wrong.
    """

    name: str
    pid: int | None
    address: str
    memory_mib: int
    log: Path


def status(server: Server) -> ServerStatus:
    """Whether this server runs, and where."""
    pid, memory = None, 0
    process = find(server)
    if process is not None:
        with contextlib.suppress(psutil.NoSuchProcess):  # it may end while it is looked at
            memory, pid = process.memory_info().rss >> 20, process.pid
    address = f"{server.address}:{server.ports[0]}"
    return ServerStatus(server.name, pid, address, memory, server.output)


def find(server: Server) -> psutil.Process | None:
    """The running process of this server, whoever started it; None when there is none."""
    for process in psutil.process_iter():
        try:
            if _runs(server, process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                return process
        except psutil.Error:
            continue
    return None


def _runs(server: Server, line: Sequence[str]) -> bool:
    if not line:
        return False
    named = os.path.basename(line[0]) == server.program.name
    same = server.main in line[1:] if server.main else named
    inside = str(server.folder) + os.sep
    # PATH or --flag=PATH, from its beginning: a path that only ends alike is another home's.
    return same and any(
        part.startswith(inside) or part.partition("=")[2].startswith(inside) for part in line[1:]
    )


def start(server: Server) -> subprocess.Popen[bytes]:
    """Starts the server in a session of its own: the terminal's Ctrl-C does not reach it.

    Raises:
        ClusterError: The program cannot be run or its folder cannot be written.
    """
    try:
        server.folder.mkdir(parents=True, exist_ok=True)
        # Interrupted before its exec is over, a child is not yet to be found by its command line.
        with server.output.open("wb") as output, held():
            process = subprocess.Popen(
                [str(server.program), *server.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **server.environment},
                cwd=server.folder,
                start_new_session=True,
            )
            _wait_until_visible(process)
            return process
    except OSError as error:
        raise ClusterError(f"{server.name} could not be started: {error}") from error


def _wait_until_visible(process: subprocess.Popen[bytes]) -> None:
    """Waits until the system shows the child's command line, or the child has ended.

    ``Popen`` returns while the child is still inside its ``exec``. Until the new program is mapped, half
    a second on a busy machine, its command line reads as empty and `find` would not see it.
    """
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            if psutil.Process(process.pid).cmdline():
                return
        time.sleep(0.001)


def stop(servers: Sequence[Server], seconds: float = STOP_SECONDS) -> list[str]:
    """Stops the servers that run, all at once; kills those that do not end in time.

    A second Ctrl-C does not interrupt this: servers are never left half stopped.

    Returns:
        Names of the servers that were running.
    """
    with held():
        return _stop(servers, seconds)


def _stop(servers: Sequence[Server], seconds: float) -> list[str]:
    running = {server.name: process for server in servers if (process := find(server))}
    for process in running.values():
        _signal(process, kill=False)
    _, late = psutil.wait_procs(list(running.values()), timeout=seconds)
    for process in late:
        _signal(process, kill=True)
    _, immortal = psutil.wait_procs(late, timeout=seconds)
    if immortal:
        raise ClusterError(f"processes {[p.pid for p in immortal]} do not end even when killed")
    return list(running)


def _signal(process: psutil.Process, kill: bool) -> None:
    try:
        if kill:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        return


def last_lines(server: Server, count: int = 12) -> str:
    """End of the server's newest log, with its path, for error messages."""
    logs = [server.output, *server.folder.glob("log/*.FATAL"), *server.folder.glob("log/*.ERROR")]
    written = [log for log in logs if log.is_file() and log.stat().st_size]
    if not written:
        return f"(nothing in {server.output})"
    newest = max(written, key=lambda log: log.stat().st_mtime)
    lines = newest.read_text(errors="replace").splitlines()[-count:]
    return "\n".join([*(f"    {line[:300]}" for line in lines), f"  from {newest}"])


def ending(process: subprocess.Popen[bytes]) -> str:
    """How an ended child ended: ``exit code 1``, or ``SIGKILL``."""
    code = process.returncode
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def owner_of(port: int) -> str:
    """Who listens at ``port``, for error messages; empty when that is unknown."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == "LISTEN":
                if connection.pid is None:
                    return ""
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        return ""
    return ""


def wait_until_gone(server: Server, seconds: float) -> bool:
    """Waits until no process of this server is left; False when one still runs after ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        process = find(server)
        if process is None:
            return True
        psutil.wait_procs([process], timeout=0.2)
    return False
