"""Re-raises errors of Python workers on the driver with their own class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from labelmill import errors
from labelmill.errors import InputError, LabelmillError

# The last line of a worker's traceback, which Spark puts into its own message.
_RAISED = re.compile(r"^(?:\S+: )?labelmill\.errors\.(\w+): (.+)$", re.MULTILINE)


@contextmanager
def our_errors() -> Iterator[None]:
    """Wraps a Spark action whose Python workers may raise our errors.

    Raises:
        LabelmillError: The class and message that the worker raised.
    """
    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        text = str(error.java_exception) if isinstance(error, Py4JJavaError) else str(error)
        found = _RAISED.search(text)
        if found is None:
            raise
        raise _rebuild(found[1], found[2]) from None


def _rebuild(name: str, message: str) -> LabelmillError:
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, LabelmillError)):
        return LabelmillError(message)
    # A class with arguments of its own cannot be built from a message; its base class can.
    ours = [one for one in kind.__mro__ if issubclass(one, LabelmillError)]
    error = next(one for one in ours if not hasattr(one.__init__, "__code__"))(message)
    error.exit_code = kind.exit_code
    return error


@contextmanager
def room_for_rows() -> Iterator[None]:
    """Wraps an action that collects all rows of a query on the driver.

    Raises:
        InputError: More rows than the driver accepts.
    """
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        if "maxResultSize" not in str(error):
            raise
        raise InputError(
            "the slice has more rows than the driver accepts at once; raise "
            "spark.driver.maxResultSize (about 100 bytes per row), or select a part of it"
        ) from None
