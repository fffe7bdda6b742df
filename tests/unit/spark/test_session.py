"""Opening a session leaves a user's own handler of Ctrl-C in place; no Spark."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from labelmill.spark.session import _interrupt_handler


def test_own_handler_stays() -> None:
    def own(number: int, frame: object) -> None:
        """A handler of the user's."""

    assert _interrupt_handler(own) is own
    assert _interrupt_handler(signal.default_int_handler) is signal.default_int_handler


def _pysparks(number: int, frame: object) -> None:
    """A stand-in for the handler that `pyspark.context` sets."""


_pysparks.__module__ = "pyspark.context"


@pytest.mark.parametrize("before", [_pysparks, signal.SIG_IGN, signal.SIG_DFL, None])
def test_others_are_replaced(before: Any) -> None:
    assert _interrupt_handler(before) is signal.default_int_handler
