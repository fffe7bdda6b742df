"""What a session needs so that Kudu's connector answers as Spark does."""

from __future__ import annotations

from pyspark.sql import SparkSession

from labelmill.java_sources import compiled

SETTINGS = {"spark.sql.datetime.java8API.enabled": "false"}
"""The connector takes `java.sql.Timestamp` only; with ``true`` every write of a time fails."""


def prepare(spark: SparkSession) -> None:
    """Sets `SETTINGS` and adds the rule of ``KuduConditions.java`` to a session, once.

    The rule changes only conditions of scans of Kudu.
    """
    for key, value in SETTINGS.items():
        if spark.conf.get(key) != value:
            spark.conf.set(key, value)
    compiled(spark, __package__, "KuduConditions").addTo(spark._jsparkSession)
