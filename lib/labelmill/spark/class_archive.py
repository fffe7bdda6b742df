"""Spark's classes, parsed and verified once: our JVMs map them from one file (class data sharing).

A job of seconds spends most of its time on its JVM's start, which parses ten thousand classes. Figures:
decision 0126. ``bin/setup`` makes the archive in the virtual environment, because it fits one Java and
one Spark: ``python -m labelmill.spark.class_archive``. A JVM checks it, and goes without it where it
does not fit.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pyspark

from labelmill.spark.jvm_options import OPTIONS

_WORK = "import sys; from labelmill.spark.class_archive import run_usual_work; run_usual_work(sys.argv[1])"


def make() -> bool:
    """Makes the archive, unless it is there already, and writes `OPTIONS`.

    Returns:
        Whether there is one; Java 11 can't write it.
    """
    OPTIONS.unlink(missing_ok=True)
    archive = OPTIONS.with_name(f"labelmill-spark-{_key()}.jsa")
    if not archive.is_file():
        for old in archive.parent.glob("labelmill-spark-*.jsa"):
            old.unlink()
        _record(archive)
    if archive.is_file():
        # A JVM with another class path than Spark's does not use it, and need not say so.
        OPTIONS.write_text(f"-XX:SharedArchiveFile={shlex.quote(str(archive))} -Xlog:cds*=off\n")
    return archive.is_file()


def _key() -> str:
    """Names an archive by what it depends on: the Java, the Spark, what was run."""
    home = Path(os.environ.get("JAVA_HOME", ""))
    release = home / "release"
    spark = Path(pyspark.__file__).parent
    parts = [str(home), release.read_text() if release.is_file() else "", str(spark)]
    text = "\n".join([*parts, pyspark.__version__, Path(__file__).read_text()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _record(archive: Path) -> None:
    """Runs what jobs usually do, in a JVM that writes its classes when it ends."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        made = Path(folder) / archive.name
        option = f"-XX:ArchiveClassesAtExit={shlex.quote(str(made))} -Xlog:cds*=off"
        # The JVM writes the archive after Python has ended; its output ends when it has.
        done = subprocess.run(
            [sys.executable, "-c", _WORK, folder],
            env={**os.environ, "SPARK_SUBMIT_OPTS": option},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        if made.is_file():
            made.replace(archive)
        else:
            print(done.stdout, file=sys.stderr)


def run_usual_work(folder: str) -> None:
    """Queries, Python functions, files and a stream: what a job's start and first steps load.

    Args:
        folder: For what it writes.
    """
    from labelmill.spark.session import session

    spark = session("class archive", master="local[2]")
    rows = [(n, str(n % 3), b"x") for n in range(100)]
    frame = spark.createDataFrame(rows, "n int, word string, data binary")
    frame.createOrReplaceTempView("a")
    spark.sql(
        "with b as (select word, count(*) c, max(n) m from a group by word) select a.*, row_number() "
        "over (partition by a.word order by n) r from a join b on a.word = b.word "
        "where c > :least and n <> 5 order by r, n",
        {"least": 1},
    ).toPandas()
    frame.mapInArrow(iter, frame.schema).repartition(2, "word").collect()
    frame.write.parquet(f"{folder}/rows")
    spark.read.parquet(f"{folder}/rows").selectExpr(
        "upper(word)", "length(data)"
    ).distinct().count()
    frame.explain()
    stream = spark.readStream.schema(frame.schema).parquet(f"{folder}/rows").writeStream
    stream.option("checkpointLocation", f"{folder}/checkpoint").format("noop").trigger(
        availableNow=True
    ).start().awaitTermination()
    spark.stop()


if __name__ == "__main__":
    print("Spark's classes are shared" if make() else "this Java shares no classes of Spark")
