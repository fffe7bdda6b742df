"""The Spark session every job and every test uses, with safe defaults.

Whatever `spark-submit`, `spark-defaults.conf` or the caller set wins over the defaults here.
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

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from labelmill.errors import InputError
from labelmill.settings import default_home
from labelmill.spark import local_cluster_cleanup as work_folder

LOG_CONF = Path(__file__).with_name("log4j2-quiet.properties")

DEFAULTS = {
    # Arrow both ways. Batches are small because a row may carry 60 kB of pixels.
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
    # Java's serialiser keeps what it has seen until it is reset; of cached batches with pixels, 4 MB
    # each, the default of 100 would fill a small executor.
    "spark.serializer.objectStreamReset": "8",
}

LOCAL_DEFAULTS = {
    # One machine: nothing of it is to be seen from outside.
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "4",
    "spark.driver.memory": "1g",
}


def submitted() -> bool:
    """Whether spark-submit or bin/submit started this process, and so chose master and jars.

    spark-submit starts the JVM first; bin/submit starts Python first and leaves the arguments of
    the JVM in the variable that pyspark's own shell uses.
    """
    return "PYSPARK_GATEWAY_PORT" in os.environ or "PYSPARK_SUBMIT_ARGS" in os.environ


def home_jars(home: Path | None = None) -> list[Path]:
    """Jars that set-up left for Spark: Kudu's and Kafka's connectors."""
    return sorted(((home or default_home()) / "jars" / "spark").glob("*.jar"))


def session(
    app: str, master: str | None = None, home: Path | None = None, **conf: str
) -> SparkSession:
    """Opens the Spark session, or returns the running one.

    Args:
        app: Application name, shown in Spark's pages and logs.
        master: Spark master; only when not under spark-submit. Default ``local[*]``.
        home: Where ``jars/spark`` lies when spark-submit names no jars; default ``settings.home``.
        **conf: More Spark configuration, with ``__`` for ``.``
            (``spark__executor__memory="1g"``) or dotted keys through ``**{"a.b": "c"}``.

    Returns:
        The session. Whoever asked for it calls ``stop()``.

    Raises:
        InputError: `master` was given although spark-submit has chosen one, or no jars are found.
    """
    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    if submitted():
        # Without a JVM a SparkConf is empty, and what spark-submit chose (the master, hence whether
        # workers take this Python) would not be seen below.
        SparkContext._ensure_initialized()
    chosen = SparkConf(loadDefaults=submitted())
    if master and submitted() and chosen.get("spark.master") != master:
        raise InputError(
            f"--master {master} was given to the job, but spark-submit has already chosen "
            f"{chosen.get('spark.master')}; give --master to spark-submit, before the job's name"
        )
    if not submitted():
        chosen.set("spark.master", master or "local[*]")
    chosen.setAppName(app)
    for key, value in conf.items():
        chosen.set(key.replace("__", "."), value)
    _apply_defaults(chosen, home)
    if str(chosen.get("spark.master")).startswith("local-cluster"):
        with contextlib.suppress(OSError):  # not ours to write: then Spark says so itself
            work_folder.clear()
    spark = SparkSession.builder.config(conf=chosen).getOrCreate()
    if str(spark.sparkContext.master).startswith("local-cluster"):
        with contextlib.suppress(OSError):
            work_folder.mark(str(spark.sparkContext.applicationId))
    if threading.current_thread() is threading.main_thread():
        # pyspark's own SIGINT handler talks to the JVM from within an interrupted call to the JVM
        # and breaks the connection; whoever catches KeyboardInterrupt calls `stop_now`.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    spark.sparkContext.setLogLevel(_log_level())
    return spark


@contextlib.contextmanager
def quiet(spark: SparkSession) -> Iterator[None]:
    """Spark logs nothing: for a task that may fail, whose error is caught and said by us."""
    spark.sparkContext.setLogLevel("OFF")
    try:
        yield
    finally:
        spark.sparkContext.setLogLevel(_log_level())


def _log_level() -> str:
    return os.environ.get("LABELMILL_SPARK_LOG", "ERROR")


def stop_now(spark: SparkSession) -> None:
    """Cancels what runs and stops Spark, also after an interrupt broke this thread's connection.

    Never raises; a JVM that is gone already is fine.
    """
    # Cancelled tasks and broken connections are expected now; their traces would hide the reason.
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
    """Cancels all that runs after an interrupt, so that the session can go on being used.

    An interrupt leaves this thread's connection to the JVM with an answer that nobody has read, and
    the next call would take it for its own: the connection is closed, the next call opens another.
    """
    client = spark.sparkContext._gateway._gateway_client  # type: ignore[union-attr]
    connection = client.get_thread_connection()
    if connection is not None:
        connection.close()
    with contextlib.suppress(Exception):  # a JVM that is gone runs nothing
        spark.sparkContext.cancelAllJobs()


def _apply_defaults(conf: SparkConf, home: Path | None) -> None:
    defaults = dict(DEFAULTS)
    on_one_machine = str(conf.get("spark.master", "")).startswith("local")
    if on_one_machine:
        defaults |= LOCAL_DEFAULTS
        # Workers take the system's Python otherwise. On a cluster the path is the user's to say.
        defaults["spark.pyspark.python"] = sys.executable
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    if not conf.contains("spark.jars") and not conf.contains("spark.jars.packages"):
        jars = home_jars(home)
        if not jars and not submitted():
            raise InputError(
                f"no Spark jars in {(home or default_home()) / 'jars' / 'spark'}; run `bin/setup`, or "
                "set LABELMILL_HOME to the folder that holds them"
            )
        if jars:
            defaults["spark.jars"] = ",".join(str(jar) for jar in jars)
    if not submitted() and LOG_CONF.is_file():
        defaults["spark.driver.extraJavaOptions"] = f"-Dlog4j2.configurationFile=file:{LOG_CONF}"
    for key, value in defaults.items():
        conf.setIfMissing(key, value)
