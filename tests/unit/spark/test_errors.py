"""Workers' errors keep their class on the driver."""

from __future__ import annotations

import inspect

import pytest
from pyspark.errors import PythonException

from labelmill import errors
from labelmill.errors import InputError, LabelmillError
from labelmill.spark.errors import our_errors

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, LabelmillError)
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_workers_error_keeps_message_and_exit_code(kind: type[LabelmillError]) -> None:
    traceback = f"Traceback:\n  File x\nlabelmill.errors.{kind.__name__}: the folder is not there\n"
    with pytest.raises(LabelmillError) as raised, our_errors():
        raise PythonException(traceback)
    assert str(raised.value) == "the folder is not there"
    assert raised.value.exit_code == kind.exit_code


def test_one_without_arguments_of_its_own_stays_itself() -> None:
    with pytest.raises(InputError), our_errors():
        raise PythonException("labelmill.errors.InputError: x")


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(PythonException), our_errors():
        raise PythonException("ZeroDivisionError: division by zero")
