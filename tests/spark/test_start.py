"""A session's JVM and workers start the quick way, and do so in truth."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from labelmill.spark import jvm_options


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_driver_maps_the_archive_of_classes(spark: SparkSession) -> None:
    archives = list(jvm_options.OPTIONS.parent.glob("labelmill-spark-*.jsa"))
    if not archives:
        pytest.skip("this Java writes no archive of classes")
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    pid = jvm.java.lang.ProcessHandle.current().pid()
    # A JVM that finds an archive unfit unmaps it.
    assert str(archives[0]) in Path(f"/proc/{pid}/maps").read_text()


def test_workers_import_the_installed_pyspark(spark: SparkSession) -> None:
    [row] = (
        spark.range(1, numPartitions=1).mapInArrow(_where, "file string, loaded string").collect()
    )
    assert "pyspark.zip" not in row.file
    assert set(row.loaded.split()) == {"numpy", "pyarrow", "jpype"}


def _where(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    import pyspark

    loaded = " ".join({"numpy", "pyarrow", "jpype"} & set(sys.modules))
    for _ in batches:
        columns = {"file": [os.fspath(pyspark.__file__)], "loaded": [loaded]}
        yield pa.RecordBatch.from_pydict(columns)
