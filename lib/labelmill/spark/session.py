"""The Spark session that every job and every test uses, with safe defaults.

Settings of `spark-submit`, `spark-defaults.conf` and the caller override the defaults here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from labelmill.errors import InputError
from labelmill.settings import default_home
from labelmill.spark import jvm_options, local_cluster_cleanup, worker_daemon

LOG_CONF = Path(__file__).with_name("log4j2-quiet.properties")

DEFAULTS = {
    # Arrow both ways. Batches are small because a row may hold 60 kB of pixels.
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1024",
    # One meaning of a timestamp in SQL, in Arrow and in Kudu.
    "spark.sql.session.timeZone": "UTC",
    # A query must not open files, nor read the driver's environment through ${env:…}.
    "spark.sql.runSQLOnFiles": "false",
    "spark.sql.variable.substitute": "false",
    "spark.sql.catalogImplementation": "in-memory",
    # A worker that has loaded onnxruntime or TensorFlow is worth keeping.
    "spark.python.worker.reuse": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.task.maxFailures": "4",
    # Java's serialiser keeps written objects until it is reset; 100 cached batches with pixels (the
    # default), 4 MB each, would fill a small executor.
    "spark.serializer.objectStreamReset": "8",
    # What Spark remembers of finished work for its pages; of a thousand queries (the default) with their
    # plans it would fill tens of MiB of a stream's driver.
    "spark.ui.retainedJobs": "100",
    "spark.ui.retainedStages": "100",
    "spark.ui.retainedTasks": "1000",
    "spark.sql.ui.retainedExecutions": "50",
}

LOCAL_DEFAULTS = {
    # One machine: nothing is reachable from outside.
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "4",
    "spark.driver.memory": "1g",
}


LOCAL_MASTER = "local[*,4]"
"""All cores of this machine. In ``local[*]`` a task gets one attempt, whatever `DEFAULTS` say: one
passing error of Kudu would end the job."""


def submitted() -> bool:
    """Whether spark-submit or bin/submit started this process, and thus chose master and jars.

    spark-submit starts the JVM first; bin/submit starts Python first and leaves the arguments of
    the JVM in the variable that pyspark's own shell uses.
    """
    return "PYSPARK_GATEWAY_PORT" in os.environ or "PYSPARK_SUBMIT_ARGS" in os.environ


def home_jars(home: Path | None = None) -> list[Path]:
    """Returns the jars that bin/setup installed for Spark: Kudu's and Kafka's connectors."""
    return sorted(((home or default_home()) / "jars" / "spark").glob("*.jar"))


def session(
    app: str, master: str | None = None, home: Path | None = None, **conf: str
) -> SparkSession:
    """Opens the Spark session, or returns the running one.

    Args:
        app: Application name, shown in Spark's pages and logs.
        master: Spark master; only when not under spark-submit. Default ``local[*,4]``.
        home: Folder that holds ``jars/spark``, if spark-submit names no jars; default
            ``settings.home``.
        **conf: More Spark configuration, with ``__`` for ``.``
            (``spark__executor__memory="1g"``) or dotted keys through ``**{"a.b": "c"}``.

    Returns:
        The session. The caller stops it with ``stop()``.

    Raises:
        InputError: `master` was given although spark-submit has chosen one, or no jars are found.
    """
    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    if submitted():
        # Without a JVM a SparkConf is empty, and the choices of spark-submit (the master, hence whether
        # workers use this Python) would not be seen below.
        SparkContext._ensure_initialized()
    chosen = SparkConf(loadDefaults=submitted())
    if master and submitted() and chosen.get("spark.master") != master:
        raise InputError(
            f"--master {master} was given to the job, but spark-submit has already chosen "
            f"{chosen.get('spark.master')}; give --master to spark-submit, before the job's name"
        )
    if not submitted():
        chosen.set("spark.master", master or LOCAL_MASTER)
    chosen.setAppName(app)
    for key, value in conf.items():
        chosen.set(key.replace("__", "."), value)
    _apply_defaults(chosen, home)
    if str(chosen.get("spark.master")).startswith("local-cluster"):
        with contextlib.suppress(OSError):  # not writable: Spark itself reports it
            local_cluster_cleanup.clear()
    on_interrupt = signal.getsignal(signal.SIGINT)
    spark = SparkSession.builder.config(conf=chosen).getOrCreate()
    if str(spark.sparkContext.master).startswith("local-cluster"):
        with contextlib.suppress(OSError):
            local_cluster_cleanup.mark(str(spark.sparkContext.applicationId))
    if threading.current_thread() is threading.main_thread():
        # pyspark's own SIGINT handler talks to the JVM from within an interrupted call to the JVM
        # and breaks the connection; code that catches KeyboardInterrupt calls `stop_now`.
        signal.signal(signal.SIGINT, _interrupt_handler(on_interrupt))
    spark.sparkContext.setLogLevel(_log_level())
    return spark


def _interrupt_handler(before: Any) -> Any:
    """Returns the handler that SIGINT had if it was the user's own, else Python's default."""
    own = callable(before) and not str(getattr(before, "__module__", "")).startswith("pyspark")
    return before if own else signal.default_int_handler


@contextlib.contextmanager
def quiet(spark: SparkSession) -> Iterator[None]:
    """Silences Spark's log: for a task that may fail, whose error we catch and report."""
    spark.sparkContext.setLogLevel("OFF")
    try:
        yield
    finally:
        spark.sparkContext.setLogLevel(_log_level())


def _log_level() -> str:
    return os.environ.get("LABELMILL_SPARK_LOG", "ERROR")


def stop_now(spark: SparkSession) -> None:
    """Cancels all work and stops Spark, also after an interrupt broke this thread's connection.

    Never raises, also if the JVM has ended already.
    """
    # Cancelled tasks and broken connections are expected now; their traces would hide the cause.
    logging.disable(logging.CRITICAL)

    def stop() -> None:
        with contextlib.suppress(Exception):
            spark.sparkContext.setLogLevel("OFF")
            spark.sparkContext.cancelAllJobs()
        with contextlib.suppress(Exception):
            spark.stop()

    # A fresh thread has a fresh connection to the JVM.
    stopper = threading.Thread(target=stop, name="labelmill-stop", daemon=True)
    stopper.start()
    stopper.join(timeout=15.0)
    logging.disable(logging.NOTSET)


def cancel_jobs(spark: SparkSession) -> None:
    """Cancels all work after an interrupt; the session stays usable.

    An interrupt leaves an unread answer in this thread's connection to the JVM, which the next call
    would take for its own: the connection is closed, and the next call opens another.
    """
    client = spark.sparkContext._gateway._gateway_client  # type: ignore[union-attr]
    connection = client.get_thread_connection()
    if connection is not None:
        connection.close()
    with contextlib.suppress(Exception):  # a JVM that has ended runs nothing
        spark.sparkContext.cancelAllJobs()


def _apply_defaults(conf: SparkConf, home: Path | None) -> None:
    defaults = dict(DEFAULTS)
    on_one_machine = str(conf.get("spark.master", "")).startswith("local")
    if on_one_machine:
        defaults |= LOCAL_DEFAULTS
        # Otherwise workers use the system's Python. On a cluster the user chooses the path.
        defaults["spark.pyspark.python"] = sys.executable
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        if worker_daemon.can_start(os.environ["PYSPARK_PYTHON"]):
            defaults["spark.python.daemon.module"] = worker_daemon.__name__
    if not conf.contains("spark.jars") and not conf.contains("spark.jars.packages"):
        jars = home_jars(home)
        if not jars and not submitted():
            raise InputError(
                f"no Spark jars in {(home or default_home()) / 'jars' / 'spark'}; run `bin/setup`, or "
                "set LABELMILL_HOME to the folder that holds them"
            )
        if jars:
            defaults["spark.jars"] = ",".join(str(jar) for jar in jars)
    options = jvm_options.chosen()
    if not submitted() and LOG_CONF.is_file():
        log = f"-Dlog4j2.configurationFile=file:{LOG_CONF}"
        defaults["spark.driver.extraJavaOptions"] = f"{log} {options}".strip()
    if on_one_machine and options:
        defaults["spark.executor.extraJavaOptions"] = options
    for key, value in defaults.items():
        conf.setIfMissing(key, value)
