"""Where the servers of a home listen: chosen once, recorded, used again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labelmill.devcluster import ports
from labelmill.devcluster.server import Server, owner_of
from labelmill.errors import ClusterError, InputError

FILE = "servers/addresses.json"


@dataclass(frozen=True)
class Addresses:
    """Ports, number of tablet servers, block manager.

    Kudu writes its addresses into its data when it is created, so these never change from then on;
    Kafka's may move.

    Attributes:
        tservers: Number of tablet servers; number *i* listens on 127.0.0.*i*.
        master_rpc: Port of the Kudu master on 127.0.0.1.
        master_web: Its web page.
        tserver_rpc: Port of every tablet server.
        tserver_web: Their web pages.
        kafka: Port of the broker on 127.0.0.1.
        kafka_controller: Port of its controller.
        block_manager: Kudu's; ``file`` where the file system cannot punch holes.
    """

    tservers: int
    master_rpc: int
    master_web: int
    tserver_rpc: int
    tserver_web: int
    kafka: int
    kafka_controller: int
    block_manager: Literal["log", "file"] = "log"

    @property
    def kudu_masters(self) -> str:
        """For clients: HOST:PORT."""
        return f"127.0.0.1:{self.master_rpc}"

    @property
    def kafka_brokers(self) -> str:
        """For clients: HOST:PORT."""
        return f"127.0.0.1:{self.kafka}"


def choose(tservers: int, usual: bool, block_manager: Literal["log", "file"] = "log") -> Addresses:
    """Addresses for a new home: the usual ports where they are free (``usual``), else free ones."""
    avoid: set[int] = set()
    master, hosts = ["127.0.0.1"], [ports.host(number) for number in range(1, tservers + 1)]
    return Addresses(
        tservers=tservers,
        master_rpc=ports.choose(7051, master, avoid, usual),
        tserver_rpc=ports.choose(7050, hosts, avoid, usual),
        master_web=ports.choose(8051, master, avoid, usual),
        tserver_web=ports.choose(8050, hosts, avoid, usual),
        kafka=ports.choose(9092, master, avoid, usual),
        kafka_controller=ports.choose(9093, master, avoid, usual),
        block_manager=block_manager,
    )


def move_kafka(addresses: Addresses) -> Addresses:
    """The same addresses with free ports for Kafka."""
    avoid = {
        addresses.master_rpc,
        addresses.master_web,
        addresses.tserver_rpc,
        addresses.tserver_web,
    }
    return dataclasses.replace(
        addresses,
        kafka=ports.choose(9092, ["127.0.0.1"], avoid),
        kafka_controller=ports.choose(9093, ["127.0.0.1"], avoid),
    )


def grow(addresses: Addresses, tservers: int | None, fixed: bool) -> Addresses:
    """The same addresses with more tablet servers; or with fewer, unless data are `fixed` there.

    Raises:
        InputError: Fewer were asked for than the home was created with.
    """
    if tservers is None or tservers == addresses.tservers:
        return addresses
    if fixed and tservers < addresses.tservers:
        raise InputError(
            f"this home has {addresses.tservers} tablet servers, but {tservers} was requested; the tablets "
            f"of the others would be lost. Use --tservers {addresses.tservers}, or another --home."
        )
    return dataclasses.replace(addresses, tservers=tservers)


def move_taken_ports(home: Path, addresses: Addresses, missing: Sequence[Server]) -> Addresses:
    """The same addresses, with Kafka moved when its ports are taken; Kudu cannot move.

    Args:
        home: For the message.
        addresses: As recorded.
        missing: Servers that are to be started.

    Raises:
        ClusterError: A port that Kudu must have is taken.
    """
    for one in missing:
        busy = taken_ports([one])
        if busy and one.name == "kafka":
            addresses = move_kafka(addresses)
        elif busy:
            raise ClusterError(
                f"{one.name} of {home} was created at {one.address}:{busy[0]}, which is "
                f"taken{owner_of(busy[0])}; Kudu's addresses cannot change. Stop what uses the "
                f"port, or use another home (--home DIR), or delete {home / 'servers'} to start "
                "over (that loses its tables and topics)."
            )
    return addresses


def taken_ports(servers: Sequence[Server]) -> list[int]:
    """Ports of these servers that another process listens at."""
    wanted = ((one.address, port) for one in servers for port in one.ports)
    return [port for address, port in wanted if not ports.is_free(address, port)]


def load(home: Path) -> Addresses | None:
    """What ``home`` has recorded, or None for a new home.

    Raises:
        ClusterError: The record cannot be read.
    """
    path = home / FILE
    if not path.is_file():
        return None
    try:
        return Addresses(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise ClusterError(
            f"{path} is damaged ({error}); restore it, or delete {path.parent} to start over "
            "(that loses the tables and topics of this home)"
        ) from error


def save(home: Path, addresses: Addresses) -> None:
    """Records ``addresses``, all or nothing."""
    path = home / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(dataclasses.asdict(addresses), indent=2) + "\n")
    partial.replace(path)
