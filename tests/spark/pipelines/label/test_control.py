"""A closed terminal asks a stream to stop, once, wherever the signal arrives."""

from __future__ import annotations

import os
import signal
from typing import Any

from pyspark.sql import SparkSession

from labelmill.pipelines.label.control import stop_on_sigterm
from tests.helpers.streams import until


def test_a_closed_terminal_asks_once(spark: SparkSession) -> None:
    jvm: Any = spark.sparkContext._jvm
    with stop_on_sigterm(spark) as stop:
        getattr(jvm.sun.misc.Signal, "raise")(jvm.sun.misc.Signal("HUP"))
        until(lambda: stop.asked, 10)
    with stop_on_sigterm(spark) as stop:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGHUP)
        until(lambda: stop.asked, 10)
        assert not stop.urgent
