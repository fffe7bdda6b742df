"""``labelmill up``, ``status`` and ``down``: a Kudu and a Kafka on this machine."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from labelmill import settings as settings_module
from labelmill.cli.doctor import reachable
from labelmill.devcluster import DevCluster
from labelmill.errors import ClusterError
from labelmill.settings import Settings

Home = Annotated[
    Path | None,
    typer.Option(help="Folder of data, logs and jars. Default: settings (LABELMILL_HOME)."),
]
Masters = Annotated[
    str | None,
    typer.Option(help="Your own Kudu's masters, HOST:PORT[,…]; then no Kudu is started."),
]
Brokers = Annotated[
    str | None,
    typer.Option(help="Your own Kafka's brokers, HOST:PORT[,…]; then no Kafka is started."),
]


def up(
    tservers: Annotated[
        int | None,
        typer.Option(help="Number of Kudu tablet servers, 1 or 3. Default: as before, else 1."),
    ] = None,
    home: Home = None,
    kudu_masters: Masters = None,
    kafka_brokers: Brokers = None,
) -> None:
    """Start a real Kudu and Kafka on this machine.

    Servers that run are kept, a crashed one is restarted. Ctrl-C before they are healthy stops
    them.
    """
    settings = _settings(home, kudu_masters, kafka_brokers)
    console = Console()
    if _own_servers(settings, console):
        console.print("Nothing is started.")
        return
    cluster = DevCluster(settings.home, tservers)
    started_at = time.monotonic()
    with console.status("checking the servers") as line:

        def progress(text: str) -> None:
            line.update(text)
            if not console.is_terminal:
                console.print(text, highlight=False)

        started = cluster.up(progress)
    if started:
        seconds = time.monotonic() - started_at
        console.print(
            f"Started {', '.join(started)} in {seconds:.1f} s.", highlight=False, soft_wrap=True
        )
    else:
        console.print("All servers are already running.")
    _show_addresses(console, cluster)


def status(
    home: Home = None,
    kudu_masters: Masters = None,
    kafka_brokers: Brokers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the servers and their state.

    Ends with exit code 9 when one of them is down.
    """
    settings = _settings(home, kudu_masters, kafka_brokers)
    console = Console()
    if not as_json and _own_servers(settings, console):
        named = (("Kudu", settings.kudu_masters), ("Kafka", settings.kafka_brokers))
        checked = [reachable(name, addresses) for name, addresses in named if addresses]
        wrong = [finding.text for finding in checked if not finding.ok]
        if wrong:
            raise ClusterError(f"{'; '.join(wrong)}. Check the addresses, servers and firewall.")
        console.print("The servers answer.")
        return
    servers = DevCluster(settings.home).status()
    if as_json:
        print(json.dumps([{**vars(s), "log": str(s.log)} for s in servers], indent=2))
    elif servers:
        table = Table("server", "state", "address", "pid", "memory", "log", box=None)
        for s in servers:
            state = "[green]up[/green]" if s.pid else "[red]down[/red]"
            memory = f"{s.memory_mib} MiB" if s.pid else ""
            table.add_row(s.name, state, s.address, str(s.pid or ""), memory, str(s.log))
        (console if console.is_terminal else Console(width=200)).print(table)
    missing = [s.name for s in servers if s.pid is None]
    if not servers or len(missing) == len(servers):
        raise ClusterError(
            f"no server of {settings.home} is running; start them with `labelmill up`"
        )
    if missing:
        raise ClusterError(
            f"{', '.join(missing)} is down; `labelmill up` restarts it, its log is in "
            f"{settings.home / 'servers' / missing[0]}"
        )


def down(home: Home = None) -> None:
    """Stop the servers of this home. Their data stays; `up` uses it again."""
    console = Console()
    cluster = DevCluster(_settings(home, None, None).home)
    with console.status("stopping the servers"):
        stopped = cluster.down()
    console.print(
        f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running.", highlight=False
    )


def _settings(home: Path | None, masters: str | None, brokers: str | None) -> Settings:
    absolute = home.expanduser().absolute() if home is not None else None
    return settings_module.load(home=absolute, kudu_masters=masters, kafka_brokers=brokers)


def _own_servers(settings: Settings, console: Console) -> bool:
    """Whether the settings name servers of the user's own; if so, prints them."""
    named = {"Kudu": settings.kudu_masters, "Kafka": settings.kafka_brokers}
    if not any(named.values()):
        return False
    for server, address in named.items():
        console.print(
            f"{server}: your own at {address}" if address else f"{server}: none named",
            highlight=False,
        )
    if not all(named.values()):
        console.print(
            "Name both (LABELMILL_KUDU_MASTERS and LABELMILL_KAFKA_BROKERS), or neither to have both "
            "started on this machine.",
            highlight=False,
        )
    return True


def _show_addresses(console: Console, cluster: DevCluster) -> None:
    console.print(f"  Kudu   {cluster.kudu_masters}", highlight=False)
    console.print(f"  Kafka  {cluster.kafka_brokers}", highlight=False)
    console.print(f"  home   {cluster.home}", highlight=False, soft_wrap=True)
