"""Where Kudu's Java client is: the connector's jar, and slf4j beside it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from labelmill.errors import StoreError
from labelmill.settings import Settings

_CONNECTOR = "*kudu-spark3_2.12-*.jar"
_SLF4J = "*slf4j-api-*.jar"


def kudu_jar(settings: Settings) -> list[Path]:
    """Returns the class path of the Java client: the connector jar (its Kudu is shaded) and slf4j-api.

    Searched in this order: ``settings.kudu_jar``, the files of a running Spark application
    (on executors, what ``spark.jars`` shipped), ``home``/jars/spark, the cache that
    ``spark.jars.packages`` fills, and Spark's own jars.

    Raises:
        StoreError: There is none; the message says where it was searched for.
    """
    if settings.kudu_jar:
        connector = Path(settings.kudu_jar)
        if not connector.is_file():
            raise StoreError(f"kudu_jar names {settings.kudu_jar!r}, which is not a file")
        return [connector, *_beside(connector.parent)]
    folders = list(_folders(settings))
    for folder in folders:
        for connector in sorted(folder.glob(_CONNECTOR), reverse=True):
            if not connector.name.endswith("-sources.jar"):
                return [connector, *_beside(folder)]
    if own := spark_jars(_CONNECTOR):
        return [*own, *_beside(own[0].parent)]
    raise StoreError(
        f"no {_CONNECTOR} in {', '.join(str(f) for f in folders)}. Run `bin/setup`, set "
        "LABELMILL_KUDU_JAR, or start Spark with the jar in spark.jars."
    )


def _folders(settings: Settings) -> Iterator[Path]:
    # Only if pyspark is loaded already: rows need no Spark.
    files = getattr(sys.modules.get("pyspark.files"), "SparkFiles", None)
    context = getattr(sys.modules.get("pyspark.context"), "SparkContext", None)
    if files is not None and (
        files._is_running_on_worker or getattr(context, "_active_spark_context", None)
    ):
        # On executors the root is ".", and a job may change folder later.
        yield Path(files.getRootDirectory()).absolute()
    yield settings.home / "jars" / "spark"
    yield Path("~/.ivy2/jars").expanduser()


def _beside(folder: Path) -> list[Path]:
    return sorted(folder.glob(_SLF4J))[:1] or spark_jars("slf4j-api-*.jar")


def spark_jars(pattern: str) -> list[Path]:
    """Returns the first of Spark's own jars that matches; empty when there is none.

    Beside the package (``pip install pyspark``), above it (``SPARK_HOME/python``, or the
    ``pyspark.zip`` below it that executors receive), or in ``SPARK_HOME``.
    """
    spec = find_spec("pyspark")
    parents = list(Path(spec.origin).parents)[:5] if spec and spec.origin else []
    home = os.environ.get("SPARK_HOME")
    for folder in [*parents, *([Path(home)] if home else [])]:
        if found := sorted((folder / "jars").glob(pattern)):
            return found[:1]
    return []
