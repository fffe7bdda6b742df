"""Translates errors of Spark's Kudu connector into our errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from labelmill.errors import InputError, LabelmillError, RowsRefused, StoreError
from labelmill.settings import Settings
from labelmill.store.errors import forgotten, is_forgotten, short, unreachable

# The connector's message, up to the end of its line.
_REFUSED = re.compile(r"[Ff]ailed to write .*? rows .*")
_NULL = re.compile(r"(\S+) cannot be set to null")
_CAUSE = re.compile(r"^(?:Caused by: |: )?(?:\w+\.)*(\w*(?:Exception|Error): .*)", re.MULTILINE)
_SILENT = (
    "NoLeaderFound",
    "timed out",
    "Timed out",
    "can not complete before timeout",
    "UnknownHost",
)


@contextmanager
def spark_errors(doing: str, settings: Settings) -> Iterator[None]:
    """Wraps a Spark action that uses Kudu, so that its errors say what to do.

    Args:
        doing: What is attempted, for the message.
        settings: Settings with the masters.

    Raises:
        RowsRefused: Kudu refused rows; the message shows the connector's samples.
        InputError: A null in a column that may not be null; a snapshot older than Kudu's history.
        StoreUnreachable: Kudu did not answer.
        StoreError: Any other failure that involves Kudu.
    """
    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        translated = _translate(doing, settings.masters(), str(error))
        if translated is None:
            raise
        raise translated from error


def _translate(doing: str, masters: str, text: str) -> LabelmillError | None:
    if found := _REFUSED.search(text):
        return RowsRefused(f"{doing} at {masters}: {found[0][:1000]}")
    if found := _NULL.search(text):
        return InputError(f"{doing}: a row has null in column {found[1]}, which may not be null")
    if "data source: kudu" in text:
        return StoreError(
            f"{doing}: this Spark session has no Kudu connector. Start it with bin/submit, or with "
            "conf/spark-defaults.conf, or with kudu-spark3_2.12 in spark.jars."
        )
    if "kudu" not in text.lower():
        return None
    cause = _cause(text)
    if any(mark in text for mark in _SILENT):
        # The connector has its own timeout of 30 s, whatever our settings say.
        return unreachable(doing, masters, None, cause)
    if "the table does not exist" in text:
        return StoreError(
            f"{doing} at {masters}: it does not exist. Tables are made by the first job that uses "
            "them, or by `ensure`; is the table prefix the right one?"
        )
    if is_forgotten(text):
        return forgotten(doing, masters)
    return StoreError(f"{doing} at {masters}: {short(cause)}")


def _cause(text: str) -> str:
    causes = _CAUSE.findall(text)
    return str(causes[-1]) if causes else text.strip().splitlines()[0]
