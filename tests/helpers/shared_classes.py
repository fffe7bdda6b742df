"""Spark's classes, parsed once: every JVM that a test starts maps them from one file.

Java calls it class data sharing. A driver's start and first queries take little more than half the
processor time. The file is made once for a Java and a Spark, in about 15 s, and stays in the checkout.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pyspark

ROOT = Path(__file__).resolve().parents[2]
VARIABLE = "JAVA_TOOL_OPTIONS"
USUAL_QUERIES = """
import sys
from labelmill.spark.session import session

spark = session("shared-classes", master="local[2]")
frame = spark.createDataFrame([(n, str(n % 3), b"x") for n in range(100)], "n int, word string, data binary")
frame.createOrReplaceTempView("a")
spark.sql(
    "with b as (select word, count(*) c, max(n) m from a group by word) select a.*, row_number() over "
    "(partition by a.word order by n) r from a join b on a.word = b.word where c > :least and n <> 5 order by r, n",
    {"least": 1},
).toPandas()
frame.mapInArrow(lambda batches: batches, frame.schema).repartition(2, "word").collect()
frame.write.parquet(sys.argv[1])
spark.read.parquet(sys.argv[1]).selectExpr("upper(word)", "length(data)").distinct().count()
frame.explain()
spark.stop()
"""


def share_classes() -> None:
    """From now on JVMs started below this process share Spark's classes, where their Java can."""
    archive = _archive()
    options = os.environ.get(VARIABLE, "")
    if archive is None or str(archive) in options:
        return
    # A JVM with another class path than Spark's does not use it, and need not say so.
    os.environ[VARIABLE] = (
        f"{options} -XX:SharedArchiveFile={archive} -Xlog:cds+dynamic=off".strip()
    )


def _archive() -> Path | None:
    folder = ROOT / ".labelmill" / "shared-classes"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{_key()}.jsa"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            for old in folder.glob("*.*"):
                old.unlink()
            _make(target)
    return target if target.stat().st_size else None


def _key() -> str:
    home = Path(os.environ.get("JAVA_HOME", ""))
    release = home / "release"
    text = [str(home), release.read_text() if release.is_file() else ""]
    text += [str(Path(pyspark.__file__).parent), pyspark.__version__, USUAL_QUERIES]
    return hashlib.sha256("\n".join(text).encode()).hexdigest()[:16]


def _make(target: Path) -> None:
    """Writes the file; an empty one where that is not possible, so that nobody tries again."""
    partial = target.with_suffix(f".{os.getpid()}")
    environment = {
        **os.environ,
        "LABELMILL_HOME": os.environ.get("LABELMILL_HOME", str(ROOT / ".labelmill")),
        "SPARK_SUBMIT_OPTS": f"-XX:ArchiveClassesAtExit={partial}",
    }
    scratch = target.with_suffix(".parquet")
    # Its output ends with the JVM, which writes the file after Python has ended.
    subprocess.run(
        [sys.executable, "-c", USUAL_QUERIES, str(scratch)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        timeout=300,
    )
    subprocess.run(["rm", "-rf", str(scratch)], check=True)
    if not partial.exists():
        partial.touch()
    partial.replace(target)
