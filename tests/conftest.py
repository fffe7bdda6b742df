"""Real servers once per session; settings of its own for each test.

Set ``LABELMILL_TEST_KUDU_MASTERS`` and ``LABELMILL_TEST_KAFKA_BROKERS`` to use servers that run
already. Heavy imports stay inside the fixtures: a unit test starts no JVM and no TensorFlow.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from labelmill.devcluster import DevCluster
    from labelmill.settings import Settings
    from labelmill.store.client import RowClient
    from tests.helpers.commands import CommandProcess

ROOT = Path(__file__).resolve().parents[1]

# What a developer has set for an own cluster must not leak into tests.
for _name in [n for n in os.environ if n.startswith("LABELMILL_")]:
    if not _name.startswith("LABELMILL_TEST_") and _name not in {
        "LABELMILL_HOME",
        "LABELMILL_DEBUG",
    }:
        del os.environ[_name]
os.environ.setdefault("LABELMILL_HOME", str(ROOT / ".labelmill"))


@dataclass(frozen=True)
class Servers:
    """Where the session's Kudu and Kafka are.

    Attributes:
        home: Folder with ``jars``; settings of tests use it as their home.
        kudu_masters: HOST:PORT.
        kafka_brokers: HOST:PORT.
        dev: The servers when this session started them, else None.
    """

    home: Path
    kudu_masters: str
    kafka_brokers: str
    dev: DevCluster | None = None

    @property
    def environment(self) -> dict[str, str]:
        """For subprocesses."""
        return {
            "LABELMILL_HOME": str(self.home),
            "LABELMILL_KUDU_MASTERS": self.kudu_masters,
            "LABELMILL_KAFKA_BROKERS": self.kafka_brokers,
        }


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """By file, but for what needs TensorFlow."""
    from tests.helpers.order import TensorFlowTogether

    return TensorFlowTogether(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first; tests marked ``train`` skip where the learning path is not installed."""
    from tests.helpers.order import rank

    items.sort(key=lambda item: rank(item.nodeid))
    if importlib.util.find_spec("tensorflow") is None:
        reason = "TensorFlow is not installed; install labelmill[train]"
        for item in items:
            if item.get_closest_marker("train"):
                item.add_marker(pytest.mark.skipif(True, reason=reason))


def pytest_collection_finish() -> None:
    """Thousands of tests stay until the end: each garbage collection would look through them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _java() -> None:
    """Spark and jpype look at JAVA_HOME; bin/test sets it, a bare pytest may not."""
    from labelmill.devcluster.java import java_home
    from labelmill.errors import ClusterError

    if not os.environ.get("JAVA_HOME"):
        with contextlib.suppress(ClusterError):
            os.environ["JAVA_HOME"] = str(java_home())


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Real Kudu and Kafka: those that the environment names, or own ones on free ports."""
    from labelmill.devcluster import DevCluster
    from labelmill.devcluster.resolve import jars_of

    home = tmp_path_factory.mktemp("home")
    masters = os.environ.get("LABELMILL_TEST_KUDU_MASTERS")
    brokers = os.environ.get("LABELMILL_TEST_KAFKA_BROKERS")
    if masters and brokers:
        jars_of(home)
        yield Servers(home, masters, brokers)
        return
    with DevCluster(home, ports="free") as dev:
        yield Servers(home, dev.kudu_masters, dev.kafka_brokers, dev)


@pytest.fixture
def settings(cluster: Servers) -> Iterator[Settings]:
    """Settings with a table prefix of this test; its tables are dropped afterwards."""
    yield from _fresh_settings(cluster)


@pytest.fixture(scope="module")
def shared_settings(cluster: Servers) -> Iterator[Settings]:
    """The same for all tests of a file that only read what a fixture of theirs has written."""
    yield from _fresh_settings(cluster)


def _fresh_settings(cluster: Servers) -> Iterator[Settings]:
    from labelmill.settings import load

    prefix = f"t{uuid.uuid4().hex[:10]}_"
    settings = load(
        home=cluster.home,
        kudu_masters=cluster.kudu_masters,
        kafka_brokers=cluster.kafka_brokers,
        table_prefix=prefix,
        training_sets=str(cluster.home / "training_sets" / prefix),
        buckets=2,
    )
    yield settings
    _drop_tables(settings)


def _drop_tables(settings: Settings) -> None:
    """By a client, all in 0.2 s: the ``kudu`` tool takes as long for one."""
    from labelmill.errors import StoreError
    from labelmill.store.connect import open_client
    from labelmill.store.schema.types import Table

    with contextlib.suppress(StoreError):
        client = open_client(settings)
        try:
            names = [name.removeprefix(settings.table_prefix) for name in client.names()]
            # First the table of versions, or each other drop would write to it.
            for name in sorted(names, key=lambda name: name != "schema_versions"):
                client.drop(Table(name, (), ""))
        finally:
            client.close()


@pytest.fixture(scope="session")
def spark(cluster: Servers) -> Iterator[SparkSession]:
    """One session for all tests, two task slots."""
    from labelmill.spark.session import session

    measured = {}
    if "COVERAGE_PROCESS_CONFIG" in os.environ:
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        measured["spark.python.daemon.module"] = "tests.helpers.measured_daemon"
    made = session("labelmill-tests", master="local[2]", home=cluster.home, **measured)
    yield made
    made.stop()


@pytest.fixture
def client(settings: Settings) -> Iterator[RowClient]:
    """A row client for this test's tables."""
    from labelmill.store.connect import open_client

    opened = open_client(settings)
    yield opened
    opened.close()


@pytest.fixture
def kudu_tool(cluster: Servers) -> Callable[..., str]:
    """The ``kudu`` tool: sees what is stored without any code of the store.

    ``kudu_tool("table", "list")`` puts the masters after the command's words.
    """

    def run(group: str, verb: str, *rest: str) -> str:
        answer = _kudu(cluster, group, verb, cluster.kudu_masters, *rest)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    return run


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder with public data sets; tests that need it skip without."""
    named = os.environ.get("LABELMILL_TEST_DATA")
    place = Path(named) if named else ROOT.parent / "shared" / "data"
    if not place.is_dir():
        pytest.skip(f"no data sets: LABELMILL_TEST_DATA is not set and {place} is not there")
    return place


@pytest.fixture
def submit(cluster: Servers, settings: Settings) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``bin/submit ARGUMENTS`` against this test's cluster and tables, as a user would.

    ``submit("jobs/X.py", …)``; ``env={…}`` adds variables, ``timeout`` is in seconds,
    ``check=False`` returns a failure instead of failing the test.
    """

    def run(
        *arguments: object,
        env: dict[str, str] | None = None,
        timeout: float = 300,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        answer = subprocess.run(
            [str(ROOT / "bin" / "submit"), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=ROOT,
            env=environment_for(cluster, settings, env),
        )
        if check:
            assert answer.returncode == 0, (
                f"{arguments}: {answer.returncode}\n{answer.stdout}\n{answer.stderr}"
            )
        return answer

    return run


@pytest.fixture(scope="session")
def _command_process() -> Iterator[CommandProcess]:
    from tests.helpers.commands import CommandProcess

    with CommandProcess() as process:
        yield process


@pytest.fixture
def labelmill(
    cluster: Servers, settings: Settings, _command_process: CommandProcess
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``labelmill WORDS`` against this test's cluster and tables; keywords are variables.

    Calls share a process: for what a process of its own shows, start ``bin/labelmill``.
    """

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return _command_process.run(*words, env=environment_for(cluster, settings, more))

    return run


def environment_for(
    cluster: Servers, settings: Settings, more: dict[str, str] | None = None
) -> dict[str, str]:
    """Environment of a subprocess that works on this test's cluster and tables."""
    return {
        **os.environ,
        **cluster.environment,
        "LABELMILL_TABLE_PREFIX": settings.table_prefix,
        "LABELMILL_TRAINING_SETS": settings.training_sets,
        "LABELMILL_BUCKETS": str(settings.buckets),
        "PYSPARK_PYTHON": sys.executable,
        **(more or {}),
    }


def _kudu(cluster: Servers, *arguments: Any) -> subprocess.CompletedProcess[str]:
    from labelmill.devcluster import kudu, resolve

    jars = resolve.jars_of(cluster.home)
    programs = kudu.unpack(resolve.kudu_binaries(jars), jars.resolve().parent)
    return kudu.tool(programs, *map(str, arguments))
