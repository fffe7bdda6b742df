"""Rows that come to the driver at once, and what it means when they do not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from labelmill.errors import InputError


@contextmanager
def room_for_rows() -> Iterator[None]:
    """Wraps an action that brings all rows of a query to the driver.

    Raises:
        InputError: More rows than the driver takes.
    """
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        if "maxResultSize" not in str(error):
            raise
        raise InputError(
            "the slice has more rows than the driver takes at once; give it more room with "
            "spark.driver.maxResultSize (about 100 bytes a row), or take a part of it"
        ) from None
