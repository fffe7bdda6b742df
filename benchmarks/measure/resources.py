"""Where a benchmark works: public data, a Kudu, a Spark session, a folder that goes away."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure.machine import ROOT
from labelmill.devcluster import DevCluster, resolve
from labelmill.errors import NoData
from labelmill.settings import Settings, load
from labelmill.store.connect import open_client
from labelmill.store.schema.tables import TABLES
from labelmill.store.spark import frames

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def public_data(*needed: str) -> Path:
    """The folder of public data sets.

    Args:
        needed: Files or folders that must be in it.

    Raises:
        NoData: It is not there.
    """
    named = os.environ.get("LABELMILL_TEST_DATA")
    place = Path(named) if named else ROOT.parent / "shared" / "data"
    absent = [name for name in needed if not (place / name).exists()]
    if absent:
        raise NoData(
            f"not measured: {', '.join(absent)} not found in {place}; set LABELMILL_TEST_DATA to the "
            "folder of the public data sets"
        )
    return place


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder on a real disk that is deleted afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="labelmill-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Kudu:
    """A Kudu to write to.

    Attributes:
        settings: With a table prefix of this run.
        servers: Process ids of its servers when they were started here.
    """

    def __init__(self, settings: Settings, servers: list[int]) -> None:
        self.settings, self.servers = settings, servers

    @property
    def environment(self) -> dict[str, str]:
        """For commands that are to use the same tables."""
        return {
            **os.environ,
            "LABELMILL_HOME": str(self.settings.home),
            "LABELMILL_KUDU_MASTERS": self.settings.kudu_masters,
            "LABELMILL_KAFKA_BROKERS": self.settings.kafka_brokers,
            "LABELMILL_TABLE_PREFIX": self.settings.table_prefix,
            "LABELMILL_BUCKETS": str(self.settings.buckets),
        }


@contextlib.contextmanager
def kudu(folder: Path, say: Callable[[str], None]) -> Iterator[Kudu]:
    """The Kudu that LABELMILL_KUDU_MASTERS names, or one that is started for the run, and the Kafka beside it.

    All tables exist when the block begins, so that nobody is timed creating them, and are dropped
    when it ends.
    """
    home = folder / "home"
    resolve.jars_of(home)
    chosen = {"home": home, "table_prefix": f"bench_{uuid.uuid4().hex[:10]}_"}
    with contextlib.ExitStack() as stack:
        masters, servers = os.environ.get("LABELMILL_KUDU_MASTERS"), []
        if not masters:
            say("starting a Kudu for the run")
            cluster = stack.enter_context(DevCluster(home, ports="free"))
            masters, chosen["kafka_brokers"] = cluster.kudu_masters, cluster.kafka_brokers
            running = (one for one in cluster.status() if one.name.startswith("kudu"))
            servers = [one.pid for one in running if one.pid]
        settings = load(kudu_masters=masters, **chosen)
        client = open_client(settings)
        try:
            frames.ensure_all(settings, client)
            yield Kudu(settings, servers)
        finally:
            with contextlib.suppress(Exception):  # what went wrong before is the news
                for table in TABLES.values():
                    client.drop(table)
            client.close()


@contextlib.contextmanager
def spark(cores: int, settings: Settings, **conf: str) -> Iterator[SparkSession]:
    """A session with `cores` task slots, configured as for a job."""
    from labelmill.spark.session import session, stop_now

    made = session("labelmill bench", f"local[{cores}]", settings.home, **conf)
    try:
        yield made
    finally:
        stop_now(made)
