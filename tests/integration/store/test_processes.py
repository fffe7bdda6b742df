"""The row client where jobs use it: in workers of executors, after a fork, beside Spark."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.connect import shared_client
from labelmill.store.drivers.java import compile as java_source
from labelmill.store.drivers.java import jvm
from labelmill.testing.store_contract.samples import PLAIN, plain_rows

CHILD = """
import gc, os, signal, sys, time
from labelmill.errors import StoreError
from labelmill.settings import load
from labelmill.store.connect import open_client, separate_collectors
from labelmill.store.drivers.java import jvm
from labelmill.testing.store_contract.samples import PLAIN

what = sys.argv[1]
if what == "terminate":  # set before the JVM starts, which would take it over
    signal.signal(signal.SIGTERM, lambda *_: print("terminated", flush=True))
client = open_client(load())
print("rows", len(list(client.scan(PLAIN))), flush=True)
if what == "fork":
    if (child := os.fork()) == 0:
        gc.collect()  # jpype's callbacks would wait for a JVM that a fork does not have
        try:
            open_client(load())
        except StoreError as error:
            print(error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
if what == "interrupt":
    try:
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
if what == "collect":  # as workers that we start do
    separate_collectors()
    def collected():
        jvm.java("java.lang.System").gc()
        time.sleep(0.5)  # Java tells jpype in a thread of its own
    collected()
    seen = []
    gc.callbacks.append(lambda phase, info: seen.append(info))
    collected()
    collected()
    print("collected by Java's leave", len(seen), flush=True)
if what == "scan":  # in a user's process
    seen = []
    gc.callbacks.append(lambda phase, info: seen.append(info["generation"]))
    callbacks = list(gc.callbacks)
    batches = client.scan(PLAIN).batches()
    next(batches)
    for _ in range(3):
        jvm.java("java.lang.System").gc()
        time.sleep(0.5)  # Java tells jpype in a thread of its own
    print("full collections during a scan", seen.count(2), flush=True)
    batches.close()
    print("callbacks as before", gc.callbacks == callbacks, flush=True)
    gc.collect(0)  # jpype learns that Python's collection has ended
    jvm.java("java.lang.System").gc()
    time.sleep(0.5)
    print("full collections afterwards", seen.count(2) > 0, flush=True)
if what == "terminate":
    os.kill(os.getpid(), signal.SIGTERM)
    print("went on", len(list(client.scan(PLAIN))), flush=True)
"""


@pytest.fixture
def filled(client: RowClient) -> RowClient:
    client.ensure(PLAIN)
    client.write(PLAIN, plain_rows(40))
    return client


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("exit", "rows 40"),
        ("fork", "a fork breaks it. Open clients after forking"),
        ("interrupt", "interrupted"),
        ("terminate", "terminated\nwent on 40"),
        ("collect", "collected by Java's leave 0"),
        (
            "scan",
            """full collections during a scan 0
callbacks as before True
full collections afterwards True""",
        ),
    ],
)
def test_process_ends_as_it_should(
    filled: RowClient, settings: Settings, what: str, expected: str
) -> None:
    environment = {
        # The JVM says on stderr that it was given these.
        **{name: value for name, value in os.environ.items() if name != "JAVA_TOOL_OPTIONS"},
        "LABELMILL_HOME": str(settings.home),
        "LABELMILL_KUDU_MASTERS": settings.kudu_masters,
        "LABELMILL_TABLE_PREFIX": settings.table_prefix,
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD, what],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        # A shell without job control ignores Ctrl-C in its children; this must not be inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )
    assert expected in done.stdout
    # Netty wants a network card for its ids; a machine that is offline may have none.
    lines = [line for line in done.stderr.splitlines() if "MacAddressUtil" not in line]
    assert [line for line in lines if "usable hardware address" not in line] == []
    assert done.returncode == 0


def test_workers_of_executors_read_rows(
    filled: RowClient, settings: Settings, spark: SparkSession
) -> None:
    names = [f"row-{i:05d}" for i in range(40)]
    found = spark.sparkContext.parallelize(names, 4).mapPartitions(
        lambda part, settings=settings: _look_up(part, settings)
    )
    assert sorted(found.collect()) == list(range(40))


def _look_up(names: Iterator[str], settings: Settings) -> Iterator[int]:
    client = shared_client(settings)
    assert shared_client(settings) is client
    # What is left where the executor tells its workers no JAVA_HOME.
    assert (jvm.ancestors()[0] / "lib" / "server" / "libjvm.so").is_file()
    assert java_source.compiled("ColumnWriter") is not None
    for name in names:
        (row,) = client.scan(PLAIN, ["number"], {"name": name})
        yield int(str(row["number"]))
