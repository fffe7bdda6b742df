"""Where a demo runs: a home of its own, servers of its own, nothing left behind."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from pyspark.sql import SparkSession

from labelmill import settings as settings_module
from labelmill.devcluster import DevCluster, resolve
from labelmill.errors import ClusterError, InputError
from labelmill.settings import Settings
from labelmill.spark.session import session, stop_now
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.schema.tables import TABLES

PREFIX = "labelmill_demo_"


@contextlib.contextmanager
def alone(base: Settings) -> Iterator[Path]:
    """The demo's home, empty, while no other demo has it. Servers that --keep left are stopped.

    Raises:
        ClusterError: Another demo runs.
    """
    base.home.mkdir(parents=True, exist_ok=True)
    home = base.home / "demo"
    with (base.home / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ClusterError(
                f"another demo runs in {home}; wait for it to end, or end it with Ctrl-C"
            ) from None
        if home.exists():
            DevCluster(home).down()
            shutil.rmtree(home)
        home.mkdir()
        yield home


@contextlib.contextmanager
def servers(
    base: Settings, home: Path, keep: bool, say: Callable[[str], None]
) -> Iterator[Settings]:
    """Settings for a Kudu and a Kafka that run: one's own when they are named, else started here."""
    resolve.jars_of(home, say)
    chosen = {"home": home, "table_prefix": PREFIX, "training_sets": str(home / "training_sets")}
    if bool(base.kudu_masters) != bool(base.kafka_brokers):
        named, missing = (
            ("Kudu", "KAFKA_BROKERS") if base.kudu_masters else ("Kafka", "KUDU_MASTERS")
        )
        raise InputError(
            f"only {named} of your own is named; set LABELMILL_{missing} too, or name neither to have "
            "both started on this machine"
        )
    if base.kudu_masters:
        # Somebody else may try the demo on the same Kudu.
        person = re.sub(r"[^a-z0-9]", "", getpass.getuser().lower()) or "me"
        yield base.model_copy(update={**chosen, "table_prefix": f"{PREFIX}{person}_"})
        return
    cluster = DevCluster(home)
    well = False
    try:
        cluster.up(say)
        yield settings_module.load(
            kudu_masters=cluster.kudu_masters, kafka_brokers=cluster.kafka_brokers, **chosen
        )
        well = True
    finally:
        if not (keep and well):
            with undisturbed():
                cluster.down()


@contextlib.contextmanager
def fresh_tables(settings: Settings) -> Iterator[RowClient]:
    """A row client, after tables that an earlier demo left in a user's own Kudu are dropped."""
    client = open_client(settings)
    try:
        left = set(client.names())
        for table in TABLES.values():
            if settings.table_prefix + table.name in left:
                client.drop(table)
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def spark_on(master: str, home: Path) -> Iterator[SparkSession]:
    """A Spark session that is gone afterwards, also after an interrupt."""
    if "SPARK_HOME" not in os.environ:
        import pyspark

        # local-cluster starts its executors from there.
        os.environ["SPARK_HOME"] = str(Path(pyspark.__file__).parent)
    spark = session("labelmill demo", master, home)
    try:
        yield spark
    finally:
        with undisturbed():
            stop_now(spark)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Cleaning up is not to be cut short by a second Ctrl-C."""
    before = {
        number: signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
