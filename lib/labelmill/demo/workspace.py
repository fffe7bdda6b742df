"""The demo's own home, servers, tables and Spark session, each cleaned up afterwards."""

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
def exclusive_home(base: Settings) -> Iterator[Path]:
    """Yields the demo's home, empty and locked against other demos; stops servers that --keep left.

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
                f"another demo is running in {home}; wait for it, or stop it with Ctrl-C"
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
    """Yields settings for a running Kudu and Kafka: the user's own, or servers started here.

    Raises:
        InputError: Settings name only one of the two.
    """
    resolve.jars_of(home, say)
    chosen = {"home": home, "table_prefix": PREFIX, "training_sets": str(home / "training_sets")}
    if bool(base.kudu_masters) != bool(base.kafka_brokers):
        named, missing = (
            ("Kudu", "KAFKA_BROKERS") if base.kudu_masters else ("Kafka", "KUDU_MASTERS")
        )
        raise InputError(
            f"settings name your own {named} only; set LABELMILL_{missing} too, or set neither to "
            "start both on this machine"
        )
    if base.kudu_masters:
        # Other people may run the demo on the same Kudu.
        user = re.sub(r"[^a-z0-9]", "", getpass.getuser().lower()) or "me"
        yield base.model_copy(update={**chosen, "table_prefix": f"{PREFIX}{user}_"})
        return
    cluster = DevCluster(home)
    started = False
    try:
        cluster.up(say)
        yield settings_module.load(
            kudu_masters=cluster.kudu_masters, kafka_brokers=cluster.kafka_brokers, **chosen
        )
        started = True
    finally:
        if not (keep and started):
            with ignore_signals():
                cluster.down()


@contextlib.contextmanager
def fresh_tables(settings: Settings) -> Iterator[RowClient]:
    """Yields a row client, after dropping tables that an earlier demo left in a user's own Kudu."""
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
def spark_session(master: str, home: Path) -> Iterator[SparkSession]:
    """Yields a Spark session that is stopped afterwards, also after an interrupt."""
    if "SPARK_HOME" not in os.environ:
        import pyspark

        # local-cluster starts its executors from SPARK_HOME.
        os.environ["SPARK_HOME"] = str(Path(pyspark.__file__).parent)
    spark = session("labelmill demo", master, home)
    try:
        yield spark
    finally:
        with ignore_signals():
            stop_now(spark)


@contextlib.contextmanager
def ignore_signals() -> Iterator[None]:
    """Ignores signals, so that a second Ctrl-C does not cut the cleanup short."""
    before = {
        number: signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
