"""Kafka on one machine: one KRaft node, ready when a topic can be created."""

from __future__ import annotations

import dataclasses
import subprocess
import uuid
from pathlib import Path

from labelmill.devcluster.addresses import Addresses
from labelmill.devcluster.server import Server
from labelmill.errors import ClusterError
from labelmill.signals import held

HEAP_MIB = 512

FORMAT_SECONDS = 120.0
"""How long a new data folder may take to format; it needs about 1 s on two idle cores."""

MAIN = "kafka.Kafka"
FORMATTER = "kafka.tools.StorageTool"

# A fixed id: data and server of one home always belong together.
CLUSTER_ID = "bGFiZWxtaWxsLWRldi1hMQ"


def properties(folder: Path, addresses: Addresses) -> str:
    """The server's settings. A static quorum of one, so that its ports may move between starts."""
    data = str(folder / "data").replace("\\", "\\\\")
    return "\n".join(
        [
            "process.roles=broker,controller",
            "node.id=1",
            f"controller.quorum.voters=1@127.0.0.1:{addresses.kafka_controller}",
            f"listeners=PLAINTEXT://127.0.0.1:{addresses.kafka},CONTROLLER://127.0.0.1:{addresses.kafka_controller}",
            f"advertised.listeners=PLAINTEXT://127.0.0.1:{addresses.kafka}",
            "controller.listener.names=CONTROLLER",
            "inter.broker.listener.name=PLAINTEXT",
            f"log.dirs={data}",
            "offsets.topic.replication.factor=1",
            "offsets.topic.num.partitions=4",
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "group.initial.rebalance.delay.ms=0",
            # A typo in a topic's name is an error, not a new topic.
            "auto.create.topics.enable=false",
            # Images are larger than Kafka's 1 MiB default.
            "message.max.bytes=16777216",
            "replica.fetch.max.bytes=16777216",
            "log.segment.bytes=134217728",
            "",
        ]
    )


def server(jars: Path, home: Path, addresses: Addresses, java: Path = Path("java")) -> Server:
    """The one node; `java` matters only for starting it."""
    folder = home / "servers" / "kafka"
    return Server(
        name="kafka",
        program=java,
        arguments=[
            f"-Xmx{HEAP_MIB}m",
            f"-Xms{HEAP_MIB // 4}m",
            "-XX:+UseSerialGC",  # starts quicker and takes less memory than G1 on few cores
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            "-Djava.net.preferIPv4Stack=true",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
            "-cp",
            f"{jars}/*",
            MAIN,
            f"{folder}/server.properties",
        ],
        folder=folder,
        address="127.0.0.1",
        ports=(addresses.kafka, addresses.kafka_controller),
        main=MAIN,
    )


def formatter(node: Server) -> Server:
    """The short-lived process that formats the node's data folder.

    It outlives an ``up`` that is killed, and must not write while the next one starts over.
    """
    return dataclasses.replace(node, name="kafka-format", main=FORMATTER)


def prepare(jars: Path, node: Server, addresses: Addresses) -> None:
    """Writes the settings and formats the data folder of a new home.

    Raises:
        ClusterError: Formatting failed; the message has Kafka's output.
    """
    node.folder.mkdir(parents=True, exist_ok=True)
    settings = node.folder / "server.properties"
    settings.write_text(properties(node.folder, addresses))
    if (node.folder / "data" / "meta.properties").is_file():
        return
    command = [str(node.program), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
               "-cp", f"{jars}/*", FORMATTER, "format",
               "--ignore-formatted", "-t", CLUSTER_ID, "-c", str(settings)]  # fmt: skip
    process = None
    try:
        with held():  # as in `server.start`; an interrupt comes through at the end of the block
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        answer, _ = process.communicate(timeout=FORMAT_SECONDS)
    except subprocess.TimeoutExpired as late:
        raise ClusterError(
            f"Kafka did not format {node.folder / 'data'} within {FORMAT_SECONDS:.0f} s; the machine may be "
            f"overloaded. It printed: {(late.output or b'').decode(errors='replace')[-2000:] or 'nothing'}"
        ) from late
    finally:
        if process is not None:
            process.kill()
            process.wait()
    if process.returncode:
        output = "\n".join(answer.splitlines()[-12:])
        raise ClusterError(f"Kafka could not format {node.folder / 'data'}:\n{output}")


def is_ready(brokers: str, seconds: float = 5.0) -> tuple[bool, str]:
    """Whether a topic can be created (and deleted again), and why not."""
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient(
        {"bootstrap.servers": brokers, "log_level": 0, "socket.timeout.ms": int(seconds * 1000)}
    )
    topic = f"labelmill-ready-{uuid.uuid4().hex[:12]}"
    try:
        made = admin.create_topics([NewTopic(topic, 1, 1)], request_timeout=seconds)
        made[topic].result(seconds + 1)
        admin.delete_topics([topic], request_timeout=seconds)[topic].result(seconds + 1)
    except Exception as error:
        # Not reachable, not yet elected, timed out: all mean "not ready"; the caller waits or reports.
        return False, str(error)
    return True, ""
